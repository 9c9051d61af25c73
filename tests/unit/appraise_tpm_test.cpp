// SPDX-License-Identifier: Apache-2.0
// Quotes of a real (software) TPM, made by tpm2_quote with keys by tpm2_createak.
#include <gtest/gtest.h>

#include <array>

#include "controller/list/list_reader.h"
#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/tpm2_quote_files.h"
#include "support.h"
#include "tests/support/host.h"

namespace keyscribe::appraise {
namespace appraise_tpm_test {

using testing::Buffer;
using testing::Host;

class Tpm2Quote : public ::testing::Test {
  protected:
    void tool(const std::string& command) {
        const testing::Output output =
            testing::run("cd " + directory_.path().string() +
                         " && TPM2TOOLS_TCTI=" + swtpm_.tcti() + ' ' + command);
        ASSERT_EQ(output.status, 0) << command << '\n' << output.text;
    }
    void make_key(const std::string& kind, const std::string& scheme,
                  const std::string& digest = "sha256") {
        tool("tpm2_createek -G rsa -c ek.ctx");
        tool("tpm2_createak -C ek.ctx -c ak.ctx -G " + kind + " -g " + digest + " -s " + scheme +
             " -f pem -u ak.pem");
        tool("tpm2_flushcontext -t");
    }
    /// The list is begun on the TPM that quotes: its banks, after its first start.
    void begin_as_swtpm(Host& host) {
        host.quote.reset_count = 1;
        host.banks = {"sha1", "sha256", "sha384", "sha512"};
    }
    /// What the list says goes into PCR 13, entry by entry.
    void extend(const Host& host) {
        auto tpm = swtpm_.open();
        list::ListReader reader(host.list.bytes);
        for (;;) {
            const auto entry = reader.next();
            ASSERT_TRUE(entry);
            if (!*entry) return;
            tpm::PcrValues values;
            const auto banks = tpm.banks(13);
            ASSERT_TRUE(banks);
            for (const Algorithm bank : *banks) values[bank] = hash(bank, (*entry)->template_data);
            ASSERT_TRUE(tpm.extend(13, values));
        }
    }
    void quote(const std::string& options = {}) {
        tool(
            "tpm2_quote -c ak.ctx -l sha1:13+sha256:13+sha384:13 -q 0102030405060708 -m msg -s sig "
            "-o pcrs " +
            options);
        tool("tpm2_flushcontext -t");
    }
    Appraisal run(const Host& host) {
        for (const char* name : {"msg", "sig", "pcrs", "ak.pem"})
            files_[name] = testing::read_file(directory_ / name);
        const auto bytes = [this](const char* name) { return as_bytes(files_[name]); };
        const auto made = evidence_of({.message = bytes("msg"),
                                       .signature = bytes("sig"),
                                       .pcrs = bytes("pcrs"),
                                       .list = host.list.bytes},
                                      13);
        if (!made) throw std::runtime_error(to_string(made.error()));
        const auto key = AttestationKey::from_pem(files_["ak.pem"]);
        if (!key) throw std::runtime_error(to_string(key.error()));
        Basis basis;
        EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
        EXPECT_TRUE(basis.references.add(host.ima, "ima.der"));
        return appraise(*made, {.nonce = nonce_, .keys = {&*key, 1}, .now = std::time(nullptr)},
                        basis);
    }

    testing::TempDir directory_;
    testing::Swtpm swtpm_;
    Buffer nonce_{1, 2, 3, 4, 5, 6, 7, 8};
    std::map<std::string, std::string> files_;
};

TEST_F(Tpm2Quote, OfEachKindOfKey) {
    Host host;
    begin_as_swtpm(host);
    host.good();
    extend(host);
    const std::array<const char*, 3> kinds[] = {{"rsa", "rsassa", "sha256"},
                                                {"rsa", "rsapss", "sha256"},
                                                {"ecc", "ecdsa", "sha256"},
                                                {"ecc384", "ecdsa", "sha384"}};
    for (const auto& [kind, scheme, digest] : kinds) {
        make_key(kind, scheme, digest);
        const std::string with_scheme = std::string("--scheme ") + scheme + " -g " + digest;
        quote(with_scheme);
        const auto result = run(host);
        EXPECT_EQ(result.verdict, Verdict::kAffirmed)
            << kind << ' ' << scheme << ' ' << to_json(result, "");
        EXPECT_EQ(result.entries, host.list.entries);
        quote("-F values " + with_scheme);
        EXPECT_EQ(run(host).verdict, Verdict::kAffirmed);
    }
}

TEST_F(Tpm2Quote, AListThatGrewMeanwhileAndOneThatWasCut) {
    Host host;
    begin_as_swtpm(host);
    host.good();
    extend(host);
    make_key("ecc", "ecdsa");
    quote();
    Host longer;
    longer.list = host.list;
    longer.builtin = host.builtin;
    longer.ima = host.ima;
    longer.list.record("loss", {{"first", 1}, {"last", 1}, {"count", 1}});
    const auto lag = run(longer);
    EXPECT_EQ(lag.verdict, Verdict::kAffirmed) << to_json(lag, "");
    EXPECT_EQ(lag.entries_beyond, 1u);
    longer.list.bytes.resize(longer.list.offsets[4]);
    EXPECT_EQ(run(longer).verdict, Verdict::kUnusable);
    nonce_.back() ^= 1;
    const auto stale = run(host);
    ASSERT_FALSE(stale.findings.empty());
    EXPECT_EQ(stale.findings[0].code, "quote-nonce");
}

}  // namespace appraise_tpm_test
}  // namespace keyscribe::appraise
