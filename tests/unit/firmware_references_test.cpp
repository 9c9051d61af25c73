// SPDX-License-Identifier: Apache-2.0
// Firmware, shim and golden hosts as sources of reference values; and the command.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/base/little_endian.h"
#include "controller/cli/commands.h"
#include "controller/service/appraise/blocked.h"
#include "controller/service/firmware/signature_list.h"
#include "controller/service/references/golden_host.h"
#include "controller/service/references/output.h"
#include "controller/service/references/source.h"
#include "support.h"
#include "tests/support/host.h"
#include "tests/support/kernel_maker.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::references {
namespace firmware_references_test {

using nlohmann::json;
using testing::Buffer;
using testing::KernelMaker;
using testing::TempDir;
using testing::text_of;
using testing::TwoCertificates;

const Buffer& a() { return TwoCertificates::shared().a; }
const Buffer& b() { return TwoCertificates::shared().b; }

/// An EFI_SIGNATURE_LIST with one signature.
std::string list_of(const firmware::SignatureType& type, std::string_view data) {
    std::string made(28 + 16, '\0');
    std::ranges::copy(type.guid, reinterpret_cast<std::uint8_t*>(made.data()));
    auto* sizes = reinterpret_cast<std::uint8_t*>(made.data()) + 16;
    store_le32(sizes, static_cast<std::uint32_t>(made.size() + data.size()));
    store_le32(sizes + 8, static_cast<std::uint32_t>(16 + data.size()));
    return made + std::string(data);
}
std::string x509(const Buffer& der) { return list_of(firmware::kX509, text_of(der)); }
std::string program(char digit) { return list_of(firmware::kSha256, std::string(32, digit)); }
std::string tbs(char digit) { return list_of(firmware::kX509Sha256, std::string(48, digit)); }
const std::string kAttributes("\x27\0\0\0", 4);

class Sources : public ::testing::Test {
  protected:
    std::string put(const std::string& name, const std::string& content) {
        testing::write_file(folder_ / name, content);
        return (folder_ / name).string();
    }
    /// "a .platform" for each certificate and keyring, then the digests; or the error.
    std::string read(const std::vector<std::string>& sources) {
        Findings findings;
        for (const std::string& source : sources)
            if (const auto done = read_source(source, findings); !done) return done.error().what;
        resolve_standing_keys(findings);
        std::string text;
        for (const FoundCertificate& one : findings.certificates)
            for (const std::string& ring : one.keyrings)
                text += std::string(one.der == a()   ? "a"
                                    : one.der == b() ? "b"
                                                     : "?") +
                        ' ' + ring + ' ';
        for (const Revocation& one : findings.revocations) text += one.digest.substr(0, 6) + ' ';
        return text;
    }
    const TempDir folder_;
};

TEST_F(Sources, AListSaysNotWhetherItIsTrustedOrRevoked) {
    const std::string lists = put("x.esl", x509(a()));
    EXPECT_EQ(read({lists}),
              "an EFI signature list with certificates, which may be db's as well as dbx's");
    EXPECT_EQ(read({put("a.der", text_of(a()))}), "certificates without a keyring");
    EXPECT_EQ(read({"db=" + lists}), "a .platform ");
    EXPECT_EQ(read({"dbx=" + lists}), "a .blacklist ");
    EXPECT_EQ(read({"mok=" + lists}), "a .machine a .platform ");
    EXPECT_EQ(read({"mokx=" + lists}), "a .blacklist ");
    EXPECT_EQ(read({"mok=" + put("MOK-0001.der", text_of(a()))}), "a .machine a .platform ");
    EXPECT_EQ(read({"db=" + put("a.pem", testing::pem_of(a()))}), "a .platform ");
    EXPECT_NE(read({"kek=" + lists}).find("kek="), 0u) << "no such file";
}

TEST_F(Sources, DigestsAloneAreRevocations) {
    EXPECT_EQ(read({put("x.esl", program('a') + tbs('b'))}), "bin:61 tbs:62 ");
    EXPECT_EQ(read({put("attributes", kAttributes + program('a'))}), "bin:61 ");
    // EFI_VARIABLE_AUTHENTICATION_2: EFI_TIME, WIN_CERTIFICATE_UEFI_GUID of 24 + 8 bytes.
    const std::string authentication =
        std::string(16, '\0') + std::string("\x20\0\0\0\0\x02\xf1\x0e", 8) +
        std::string("\x9d\xd2\xaf\x4a\xdf\x68\xee\x49\x8a\xa9\x34\x7d\x37\x56\x65\xa7", 16) +
        "PKCS#7..";
    EXPECT_EQ(read({put("x.auth", authentication + program('a'))}), "bin:61 ");
    EXPECT_EQ(read({"db=" + put("x.auth", authentication + x509(b()))}), "b .platform ");
    EXPECT_EQ(read({"db=" + put("x.esl", program('a') + x509(a()))}), "a .platform ")
        << "the kernel takes no digest from db";
}

TEST_F(Sources, Efivarfs) {
    put("db-d719b2cb-3d3a-4596-a3bc-dad00e67656f", kAttributes + x509(a()));
    put("dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f", kAttributes + program('a'));
    put("MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23", kAttributes + x509(b()));
    put("MokListXRT-605dab50-e046-4300-abb6-3dd810dd8b23", kAttributes + tbs('b'));
    put("KEK-8be4df61-93ca-11d2-aa0d-00e098032b8c", kAttributes + x509(b()));
    EXPECT_EQ(read({folder_.path().string()}), "a .platform b .machine b .platform bin:61 tbs:62 ");
    EXPECT_EQ(read({(folder_ / "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f").string()}),
              "a .platform ");
    put("MokIgnoreDB-605dab50-e046-4300-abb6-3dd810dd8b23", kAttributes + '\1');
    EXPECT_EQ(read({folder_.path().string()}), "b .machine b .platform bin:61 tbs:62 ");
    put("dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f", kAttributes + program('a').substr(0, 70));
    EXPECT_EQ(read({folder_.path().string()}), "an EFI_SIGNATURE_LIST whose sizes do not add up");
}

/// UEFI 2.10, 32.4.1: EFI_SIGNATURE_LIST's sizes stand at bytes 16, 20 and 24.
TEST_F(Sources, SignatureListsOfOddSizes) {
    const std::string good = x509(a());
    struct Odd {
        std::size_t at;
        std::uint32_t size;
    };
    for (const auto& [at, size] :
         {Odd{16, 0}, Odd{16, 27}, Odd{16, static_cast<std::uint32_t>(good.size() - 1)},
          Odd{16, static_cast<std::uint32_t>(good.size() + 1)}, Odd{16, UINT32_MAX}, Odd{20, 1},
          Odd{20, UINT32_MAX}, Odd{24, 0}, Odd{24, 15}, Odd{24, 16},
          Odd{24, static_cast<std::uint32_t>(good.size())}, Odd{24, UINT32_MAX}}) {
        std::string odd = good;
        for (int i = 0; i < 4; ++i)
            odd[at + static_cast<std::size_t>(i)] = static_cast<char>(size >> (8 * i));
        const std::string answer = read({"db=" + put("odd.esl", odd)});
        EXPECT_TRUE(answer.contains("EFI_SIGNATURE_LIST")) << at << ' ' << size << ' ' << answer;
    }
    EXPECT_EQ(read({"db=" + put("good.esl", good)}), "a .platform ");
}

TEST_F(Sources, AGoldenHostsCertificatesAndThoseOfItsPublicKeys) {
    testing::Host host;
    host.begin();
    host.key(".ima", host.ima, 500, "signer");
    const std::string evidence = put("golden", text_of(host.encoded()));
    // The host's .builtin_trusted_keys are a baseline: public keys alone.
    EXPECT_EQ(read({evidence}), "? .ima ");
    Findings findings;
    ASSERT_TRUE(read_source(evidence, findings));
    resolve_standing_keys(findings);
    EXPECT_NE(findings.notes.back().find("no source has its certificate"), std::string::npos);
    const std::string kernel =
        put("vmlinux", text_of(KernelMaker().trusted({host.builtin}).image()));
    EXPECT_EQ(read({evidence, kernel}), "? .ima ? .builtin_trusted_keys ");
    host.from_entry = 2;
    EXPECT_EQ(read({put("since", text_of(host.encoded()))}),
              "evidence without the list's beginning");
}

TEST_F(Sources, BadInputIsRefusedWithItsPlace) {
    EXPECT_EQ(read({put("empty", "")}), "the file is empty");
    EXPECT_EQ(read({put("text", "some text\n")}), "not a source of reference values");
    EXPECT_NE(read({"/nonexistent"}), "");
    std::filesystem::create_directory(folder_ / "folder");
    EXPECT_EQ(read({(folder_ / "folder").string()}), "no source of reference values is in it");
    EXPECT_EQ(read({put("efi", text_of(KernelMaker::uki(Buffer(100, 'x'))))}), "not a kernel");
    testing::Host host;
    host.begin();
    Buffer cut = host.encoded();
    cut.pop_back();
    Findings findings;
    const auto refused = read_source(put("cut", text_of(cut)), findings);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().where.find("cut, "), std::string::npos);
}

// ---- the command

struct Done {
    int status = 0;
    std::string output, errors;
};

Done keyscribe(std::vector<std::string> arguments) {
    CLI::App app;
    cli::Context context;
    cli::add_references(app, context);
    Done done;
    std::ranges::reverse(arguments);
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    try {
        app.parse(arguments);
        done.status = context.exit_status;
    } catch (const CLI::ParseError& error) {
        done.status = error.get_exit_code();
    }
    done.output = ::testing::internal::GetCapturedStdout();
    done.errors = ::testing::internal::GetCapturedStderr();
    return done;
}

TEST_F(Sources, WhatIsWrittenIsWhatAppraisalTakes) {
    const std::string kernel = put("vmlinux", text_of(KernelMaker()
                                                          .trusted({a()})
                                                          .revoked({b()})
                                                          .text("tbs:" + std::string(64, 'c'))
                                                          .image()));
    const std::string out = (folder_ / "out").string();
    const std::vector<std::string> command{"references",
                                           "from",
                                           kernel,
                                           "-o",
                                           out,
                                           "--json",
                                           "--kernel-images",
                                           (folder_ / "kernels").string(),
                                           "--blocked-keys",
                                           (folder_ / "blocked").string()};
    const Done done = keyscribe(command);
    ASSERT_EQ(done.status, 0) << done.errors;
    const json told = json::parse(done.output);
    EXPECT_EQ(told["certificates"][0]["sha256"], to_hex(sha256(a())));
    const auto values = appraise::ReferenceValues::load(out);
    ASSERT_TRUE(values) << to_string(values.error());
    EXPECT_EQ(values->match(sha256(a()), {}, ".builtin_trusted_keys"),
              appraise::Match::kCertificate);
    EXPECT_EQ(values->match(sha256(a()), {}, ".ima"), appraise::Match::kOtherKeyring);
    EXPECT_EQ(values->match(sha256(b()), {}, ".builtin_trusted_keys"),
              appraise::Match::kOtherKeyring);
    const auto blocked = appraise::BlockedKeys::parse(testing::read_file(folder_ / "blocked"), "f");
    ASSERT_TRUE(blocked) << to_string(blocked.error());
    EXPECT_TRUE(blocked->contains(sha256(b())));
    EXPECT_FALSE(blocked->contains(sha256(a())));
    const json images = json::parse(testing::read_file(folder_ / "kernels"))["kernel_images"];
    ASSERT_EQ(images.size(), 1u);
    EXPECT_EQ(images[0]["sha256_file"], to_hex(sha256(as_bytes(testing::read_file(kernel)))));
    ASSERT_EQ(images[0]["certificates"].size(), 1u);
    EXPECT_EQ(images[0]["certificates"][0]["sha256"], to_hex(sha256(a())));
    EXPECT_EQ(images[0]["certificates"][0]["sha256_public_key"],
              to_hex(sha256(keyrings::view_certificate(a())->public_key)));
    EXPECT_EQ(images[0]["name"], "vmlinux");

    // Again, it is as it was. Somebody else's content is not replaced.
    EXPECT_EQ(keyscribe(command).status, 0);
    for (const char* other : {"kernels", "blocked"}) {
        const std::string before = testing::read_file(folder_ / other);
        put(other, "mine");
        const Done refused = keyscribe(command);
        EXPECT_EQ(refused.status, 2);
        EXPECT_NE(refused.errors.find("with another content"), std::string::npos);
        EXPECT_EQ(testing::read_file(folder_ / other), "mine");
        put(other, before);
    }
    const std::string file = out + '/' + told["certificates"][0]["files"][0].get<std::string>();
    testing::write_file(file, text_of(b()));
    const Done refused = keyscribe(command);
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.errors.find(file), std::string::npos) << refused.errors;
    EXPECT_EQ(testing::read_file(file), text_of(b()));
}

TEST_F(Sources, TextSaysWhatWasFoundWhere) {
    const std::string kernel =
        put("vmlinux", text_of(KernelMaker().trusted({a()}).loose(b()).image()));
    const Done done = keyscribe({"references", "from", kernel});
    ASSERT_EQ(done.status, 0) << done.errors;
    EXPECT_NE(done.output.find("vmlinux (vmlinux), 1 built in"), std::string::npos);
    EXPECT_NE(done.output.find("left out CN=B, kernel, in neither of its lists"), std::string::npos)
        << done.output;
    EXPECT_EQ(keyscribe({"references", "from", "/nonexistent"}).status, 2);
    EXPECT_EQ(keyscribe({"references", "from", kernel, "--blocked-keys", "-"}).status, 2);
}

/// A path ends at a NUL: it would be another keyring's folder.
TEST(ReferenceOutput, AKeyringThatCanHaveNoFolderIsRefused) {
    const TempDir folder;
    for (const std::string& ring :
         {std::string(".ima\0x", 6), std::string("a/b"), std::string("..")}) {
        Findings findings;
        findings.certificates.push_back({a(), {ring}, "test", "here"});
        EXPECT_FALSE(write_references(findings, folder.path())) << ring;
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ReferenceOutput, WhatIsNotWrittenIsTold) {
    Findings findings;
    findings.certificates.push_back({a(), {".platform"}, "db", "here"});
    const std::string text = to_text(findings, {});
    EXPECT_NE(text.find("found "), std::string::npos) << text;
    EXPECT_NE(text.find(", for .platform, of db: here"), std::string::npos) << text;
}

}  // namespace firmware_references_test
}  // namespace keyscribe::references
