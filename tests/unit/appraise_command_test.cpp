// SPDX-License-Identifier: Apache-2.0
// `keyscribe appraise` and `keyscribe ak check`, as a service calls them.
#include <gtest/gtest.h>

#include <sstream>

#include "controller/cli/commands.h"
#include "support.h"
#include "tests/support/setting.h"

namespace keyscribe::cli {
namespace appraise_command_test {

using nlohmann::json;
using testing::Buffer;
using testing::Host;
using testing::TempDir;

std::string text_of(const Buffer& bytes) { return {bytes.begin(), bytes.end()}; }

struct Done {
    int status = 0;
    std::string output, errors;
    /// Codes of all findings that count, file by file.
    std::string codes() const {
        std::string codes;
        std::istringstream lines(output);
        for (std::string line; std::getline(lines, line);) {
            const json told = json::parse(line);
            for (const json& finding : told["findings"])
                if (finding["weight"] != "note") codes += finding["code"].get<std::string>();
            codes += ';';
        }
        return codes;
    }
};

Done keyscribe(std::vector<std::string> arguments) {
    CLI::App app;
    Context context;
    add_appraise(app, context);
    add_ak(app, context);
    add_report(app, context);
    Done done;
    std::ranges::reverse(arguments);
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    try {
        app.parse(arguments);
        done.status = context.exit_status;
    } catch (const CLI::ParseError& error) {
        done.status = error.get_exit_code();
        std::fprintf(stderr, "%s", error.what());
    }
    done.output = ::testing::internal::GetCapturedStdout();
    done.errors = ::testing::internal::GetCapturedStderr();
    return done;
}

/// A folder of a service's: reference values, and hosts' evidence, keys and nonces.
class AppraiseCommand : public ::testing::Test {
  protected:
    AppraiseCommand() {
        for (const char* folder : {"references", "ak", "nonces", "a", "b", "states"})
            std::filesystem::create_directory(directory_ / folder);
        const Host host;
        testing::write_file(directory_ / "references/build.der", text_of(host.builtin));
    }
    /// Evidence of a host with this key, and what the service knows of the host.
    void host(const std::string& name, int key, const std::string& folder = "a") {
        Host host;
        host.quote.key = Host::shared_key(key);
        host.quote.nonce = Buffer(8, static_cast<std::uint8_t>(key));
        host.quote.clock += ++clock_;
        host.begin();
        testing::write_file(directory_ / folder / (name + ".evidence"), text_of(host.encoded()));
        testing::write_file(directory_ / "ak" / (name + ".pem"), host.quote.pem());
        testing::write_file(directory_ / "nonces" / (name + ".nonce"),
                            to_hex(host.quote.nonce) + '\n');
    }
    std::string path(const std::string& name) const { return (directory_ / name).string(); }
    Done appraise(std::vector<std::string> more) {
        more.insert(more.begin(), {"appraise", "--json", "--reference-values", path("references")});
        return keyscribe(more);
    }
    std::vector<std::string> folders(std::vector<std::string> more) const {
        more.insert(more.end(), {"--ak", path("ak"), "--nonce-dir", path("nonces")});
        return more;
    }

    TempDir directory_;
    std::uint64_t clock_ = 0;
};

TEST_F(AppraiseCommand, EachHostHasItsKeyAndItsNonce) {
    host("one.example.com", 0);
    host("two.example.com", 4);
    const Done done =
        appraise(folders({path("a/one.example.com.evidence"), path("a/two.example.com.evidence")}));
    EXPECT_EQ(done.status, 0) << done.output << done.errors;
    EXPECT_EQ(done.codes(), ";;");
    // Under the other's name it is another key.
    std::filesystem::copy_file(path("a/one.example.com.evidence"),
                               path("b/two.example.com.evidence"));
    const Done other = appraise(folders({path("b/two.example.com.evidence")}));
    EXPECT_EQ(other.status, 2);
    EXPECT_EQ(other.codes(), "ak-mismatch;");
}

TEST_F(AppraiseCommand, TheTextSaysWhichKeySigned) {
    host("one", 0);
    const Done done = keyscribe(
        folders({"appraise", "--reference-values", path("references"), path("a/one.evidence")}));
    EXPECT_EQ(done.status, 0) << done.errors;
    EXPECT_TRUE(done.output.contains("ak/one.pem (SHA-256 ")) << done.output;
}

/// One file name in two folders, in two runs.
TEST_F(AppraiseCommand, AStateIsNotThatOfAnotherHostWhoseFileHasTheName) {
    host("one", 0);
    const auto run = [&](const std::string& folder) {
        return appraise(folders({path(folder + "/one.evidence"), "--state", path("states")}));
    };
    EXPECT_EQ(run("a").status, 0);
    const std::string state = testing::read_file(directory_ / "states/one.evidence.state");
    host("one", 4, "b");
    const Done other = run("b");
    EXPECT_EQ(other.status, 2);
    EXPECT_EQ(other.codes(), "state-diverged;");
    EXPECT_EQ(testing::read_file(directory_ / "states/one.evidence.state"), state);
}

TEST_F(AppraiseCommand, AHostWithoutAKeyOrANonceIsRefused) {
    host("one", 0);
    host("two", 4);
    std::filesystem::remove(path("ak/one.pem"));
    std::filesystem::remove(path("nonces/two.nonce"));
    const Done done = appraise(folders({path("a/one.evidence"), path("a/two.evidence")}));
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(done.output, "");
    EXPECT_NE(done.errors.find("one.pem"), std::string::npos) << done.errors;
    EXPECT_NE(done.errors.find("two.nonce"), std::string::npos) << done.errors;
}

TEST_F(AppraiseCommand, AnEmptyNonceIsRefused) {
    host("one", 0);
    testing::write_file(path("nonces/one.nonce"), "\n");
    EXPECT_EQ(appraise(folders({path("a/one.evidence")})).status, 2);
    EXPECT_EQ(appraise({path("a/one.evidence"), "--ak", path("ak"), "--nonce", ""}).status, 2);
}

/// As a script has it in which a variable is not set.
TEST_F(AppraiseCommand, AnOptionWithoutATextIsRefused) {
    host("one", 0);
    EXPECT_EQ(appraise(folders({path("a/one.evidence")})).status, 0);
    for (const char* option :
         {"--policy", "--blocked-keys", "--blocked-files", "--state", "--at"}) {
        const Done done = appraise(folders({path("a/one.evidence"), option, ""}));
        EXPECT_EQ(done.status, 2) << option;
        EXPECT_NE(done.errors.find(option), std::string::npos) << done.errors;
    }
    EXPECT_EQ(appraise(folders({path("a/one.evidence"), ""})).status, 2);
}

TEST_F(AppraiseCommand, AReportDoesNotReplaceWhatItIsMadeOf) {
    host("one", 0);
    const std::string evidence = path("a/one.evidence"), before = testing::read_file(evidence);
    std::filesystem::create_hard_link(evidence, path("b/other-name"));
    for (const std::string& output : {evidence, path("b/other-name"), path("ak/one.pem")}) {
        const Done done =
            keyscribe({"report", evidence, "--reference-values", path("references"), "--ak",
                       path("ak/one.pem"), "--nonce", to_hex(Buffer(8, 0)), "-o", output});
        EXPECT_EQ(done.status, 2);
        EXPECT_TRUE(done.errors.contains("would replace an input")) << done.errors;
    }
    EXPECT_EQ(testing::read_file(evidence), before);
    EXPECT_EQ(keyscribe({"report", evidence, "--reference-values", path("references"), "--ak",
                         path("ak/one.pem"), "--nonce", to_hex(Buffer(8, 0)), "-o", path("page")})
                  .status,
              0);
}

TEST_F(AppraiseCommand, WhatIsNotThereIsUnusable) {
    host("one", 0);
    const std::string evidence = path("a/one.evidence");
    const std::string nonce = std::string(16, '0'), nowhere = path("nowhere");
    std::filesystem::create_symlink("nowhere", path("dangling"));
    for (const std::string& missing : {nowhere, path("dangling")}) {
        using Arguments = std::vector<std::string>;
        for (const Arguments& arguments :
             {Arguments{missing, "--ak", path("ak"), "--nonce", nonce},
              Arguments{evidence, "--ak", missing, "--nonce", nonce},
              Arguments{evidence, "--ak", path("ak"), "--nonce-dir", missing},
              folders({evidence, "--policy", missing}), folders({evidence, missing})}) {
            const Done done = appraise(arguments);
            EXPECT_EQ(done.status, 2);
            const std::string name = std::filesystem::path(missing).filename();
            EXPECT_NE(done.errors.find(name), std::string::npos) << done.errors;
        }
        EXPECT_EQ(keyscribe(folders({"appraise", evidence, "--reference-values", missing})).status,
                  2);
    }
}

/// Not as a standard output that cannot be written.
TEST_F(AppraiseCommand, APathThatCannotBeLookedAtIsTold) {
    host("one", 0);
    std::filesystem::create_symlink("loop", path("loop"));
    const std::string nonce = to_hex(Buffer(8, 0)), evidence = path("a/one.evidence");
    for (const std::string& bad : {path(std::string(300, 'x')), path("loop")}) {
        for (const auto& [ak, state] :
             {std::pair{path("ak/one.pem"), bad}, std::pair{bad, path("s")}}) {
            const Done done = appraise({evidence, "--nonce", nonce, "--ak", ak, "--state", state});
            EXPECT_EQ(done.status, 2);
            EXPECT_TRUE(done.errors.contains("cannot open the ")) << done.errors;
        }
    }
}

TEST_F(AppraiseCommand, AStateThatIsEmptyIsRefused) {
    host("one", 0);
    testing::write_file(path("states/one.evidence.state"), "");
    const Done done = appraise(folders({path("a/one.evidence"), "--state", path("states")}));
    EXPECT_EQ(done.status, 2);
    EXPECT_NE(done.errors.find("one.evidence.state"), std::string::npos) << done.errors;
}

TEST_F(AppraiseCommand, ATimeIsOneOfUtcsOrIsRefused) {
    host("one", 0);
    for (const char* time :
         {"2026-02-30T12:00:00Z", "2026-11-31T12:00:00Z", " 2026-11-29T12:00:00Z",
          "2026-1-2T3:4:5Z", "2026-11-29T12:00:60Z", "2026-11-29T24:00:00Z", "2026-11-29T12:00:00",
          "2026-11-29T12:00:00+01:00", "now"})
        EXPECT_EQ(appraise(folders({path("a/one.evidence"), "--at", time})).status, 2) << time;
    EXPECT_EQ(appraise(folders({path("a/one.evidence"), "--at", "2096-02-29T23:59:59Z"})).status, 1)
        << "the certificates have expired then";
}

TEST_F(AppraiseCommand, EvidenceOfOneKeyTwiceIsAFinding) {
    host("one", 0);
    host("two", 0);
    const Done done = appraise(
        folders({path("a/one.evidence"), path("a/two.evidence"), "--state", path("states")}));
    EXPECT_EQ(done.status, 1);
    EXPECT_EQ(done.codes(), "ak-repeated;ak-repeated;");
    for (const char* name : {"one", "two"})
        EXPECT_FALSE(std::filesystem::exists(path("states/") + name + ".evidence.state")) << name;
}

TEST_F(AppraiseCommand, TwoHostsOfOneFileNameNeverShareAState) {
    host("one", 0, "a");
    host("one", 0, "b");
    const Done done = appraise(
        folders({path("a/one.evidence"), path("b/one.evidence"), "--state", path("states")}));
    EXPECT_EQ(done.status, 2);
    EXPECT_NE(done.errors.find("share one state"), std::string::npos) << done.errors;
    EXPECT_TRUE(std::filesystem::is_empty(path("states")));
}

TEST_F(AppraiseCommand, AStateIsKeptAndGoesOn) {
    host("one", 0);
    const auto arguments = folders({path("a/one.evidence"), "--state", path("states")});
    EXPECT_EQ(appraise(arguments).status, 0);
    EXPECT_EQ(appraise(arguments).codes(), "quote-repeated;");
    host("one", 0);
    const Done done = appraise(arguments);
    EXPECT_EQ(done.status, 0) << done.output;
}

TEST_F(AppraiseCommand, AStateGoesWithTpm2QuotesFiles) {
    Host host;
    const auto write = [&] {
        ++host.quote.clock;
        const auto evidence = host.evidence();
        const auto put = [&](const char* name, Bytes bytes) {
            testing::write_file(path(name), std::string(as_text(bytes)));
        };
        put("message", evidence.quotes[0].attest);
        put("signature", evidence.quotes[0].signature);
        put("list", evidence.list.data);
        Buffer values;
        for (const auto& [bank, of_bank] : evidence.quotes[0].pcrs)
            for (const auto& [pcr, value] : of_bank) {
                const Bytes bytes = value;
                values.insert(values.end(), bytes.begin(), bytes.end());
            }
        put("pcrs", values);
    };
    host.begin();
    write();
    testing::write_file(path("host.pem"), host.quote.pem());
    const std::vector<std::string> arguments{"--tpm2-quote",
                                             path("message"),
                                             "--tpm2-signature",
                                             path("signature"),
                                             "--tpm2-pcrs",
                                             path("pcrs"),
                                             "--list",
                                             path("list"),
                                             "--nonce",
                                             to_hex(host.quote.nonce),
                                             "--ak",
                                             path("host.pem"),
                                             "--state",
                                             path("state")};
    Done done = appraise(arguments);
    EXPECT_EQ(done.status, 0) << done.output << done.errors;
    EXPECT_TRUE(std::filesystem::exists(path("state")));
    write();
    done = appraise(arguments);
    EXPECT_EQ(done.status, 0) << done.output << done.errors;
    // What is kept is asked for: a list that does not go on from it.
    Host other;
    other.list.aggregate();
    host.list = other.list;
    write();
    EXPECT_EQ(appraise(arguments).codes(), "state-diverged;");
}

TEST_F(AppraiseCommand, AkCheckTakesTheThreeTogether) {
    testing::QuoteMaker maker;
    maker.key = Host::shared_key(0);
    const auto write = [&] {
        Buffer area = maker.tpmt_public();
        const auto name = appraise::parse_public(area);
        ASSERT_TRUE(name);
        testing::write_file(path("ak/ak.name"), text_of(name->name));
        area.insert(area.begin(), {static_cast<std::uint8_t>(area.size() >> 8),
                                   static_cast<std::uint8_t>(area.size())});
        testing::write_file(path("ak/ak.pub"), text_of(area));
        testing::write_file(path("ak/ak.pem"), maker.pem());
    };
    write();
    Done done = keyscribe({"ak", "check", path("ak")});
    EXPECT_EQ(done.status, 0) << done.errors;
    EXPECT_NE(done.output.find("name 000b"), std::string::npos) << done.output;
    maker.attributes &= ~TPMA_OBJECT_FIXEDTPM;
    write();
    done = keyscribe({"ak", "check", path("ak")});
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.errors.find("not fixedTPM"), std::string::npos) << done.errors;
    testing::write_file(path("ak/ak.name"), "");
    EXPECT_EQ(keyscribe({"ak", "check", path("ak")}).status, 1);
}

TEST_F(AppraiseCommand, AkCheckTakesTheEndorsementKeysFilesTogether) {
    const auto tpm2b = [](Buffer area) {
        area.insert(area.begin(), {static_cast<std::uint8_t>(area.size() >> 8),
                                   static_cast<std::uint8_t>(area.size())});
        return text_of(area);
    };
    testing::QuoteMaker ak, ek, other;
    ak.key = Host::shared_key(0);
    ek.key = Host::shared_key(4);
    other.key = Host::shared_key(0);
    constexpr TPMA_OBJECT kOfEk = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                  TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                  TPMA_OBJECT_DECRYPT | TPMA_OBJECT_ADMINWITHPOLICY;
    ek.attributes = other.attributes = kOfEk;
    testing::write_file(path("ak/ak.pub"), tpm2b(ak.tpmt_public()));
    testing::write_file(path("ak/ak.pem"), ak.pem());
    testing::write_file(path("ak/ak.name"),
                        text_of(appraise::parse_public(ak.tpmt_public())->name));
    const auto check = [&] { return keyscribe({"ak", "check", path("ak")}); };
    EXPECT_EQ(check().status, 0);
    EXPECT_FALSE(check().output.contains("endorsement"));

    testing::write_file(path("ak/ek.pub"), tpm2b(ek.tpmt_public()));
    testing::write_file(path("ak/ek.pem"), ek.pem());
    EXPECT_EQ(check().status, 0) << check().errors;
    EXPECT_TRUE(check().output.contains("ek.pub, ek.pem: one endorsement key; no certificate"));
    const auto certificate_of = [](const testing::QuoteMaker& one) {
        return text_of(
            testing::certificate(one.key.get(), "EK", Host::shared_key(1).get(), "Vendor"));
    };
    testing::write_file(path("ak/ek.crt"), certificate_of(ek));
    EXPECT_EQ(check().status, 0) << check().errors;
    EXPECT_TRUE(check().output.contains("who issued its certificate was not looked at"));

    // What is meant for the TPM of the certificate would be encrypted to somebody else's key.
    testing::write_file(path("ak/ek.crt"), certificate_of(other));
    EXPECT_EQ(check().status, 1);
    EXPECT_TRUE(check().errors.contains("ek.crt: another endorsement key")) << check().errors;
    testing::write_file(path("ak/ek.crt"), "");
    EXPECT_EQ(check().status, 1);
    std::filesystem::remove(path("ak/ek.crt"));
    testing::write_file(path("ak/ek.pem"), other.pem());
    EXPECT_TRUE(check().errors.contains("ek.pem: another endorsement key")) << check().errors;
    std::filesystem::remove(path("ak/ek.pem"));
    EXPECT_EQ(check().status, 0);
    // Whoever made such a key need not be a TPM.
    for (const TPMA_OBJECT wrong :
         {kOfEk & ~TPMA_OBJECT_RESTRICTED, kOfEk & ~TPMA_OBJECT_FIXEDTPM,
          kOfEk & ~TPMA_OBJECT_DECRYPT, kOfEk | TPMA_OBJECT_SIGN_ENCRYPT}) {
        ek.attributes = wrong;
        testing::write_file(path("ak/ek.pub"), tpm2b(ek.tpmt_public()));
        EXPECT_TRUE(check().errors.contains("ek.pub: not an endorsement key")) << check().errors;
    }
    testing::write_file(path("ak/ek.pub"), tpm2b(ek.tpmt_public()) + "x");
    EXPECT_EQ(check().status, 1);
}

}  // namespace appraise_command_test
}  // namespace keyscribe::cli
