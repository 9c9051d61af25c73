// SPDX-License-Identifier: Apache-2.0
// Good evidence, and what becomes of it when one thing is changed.
#include "controller/appraise/appraise.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "appraise_support.h"

namespace keyscribe::appraise {
namespace {

using testing::Buffer;
using testing::certificate;
using testing::Host;

class Appraise : public ::testing::Test {
  protected:
    Basis basis_of(const Host& host) {
        Basis basis;
        EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
        EXPECT_TRUE(basis.references.add(host.ima, "ima.der"));
        return basis;
    }
    Appraisal appraise_bytes(Bytes evidence, const Host& host, const Basis& basis,
                             Bytes state = {}) {
        const auto key = AttestationKey::from_pem(host.quote.pem());
        EXPECT_TRUE(key);
        const Buffer nonce{1, 2, 3, 4, 5, 6, 7, 8};
        return appraise({.evidence = evidence,
                         .nonce = nonce,
                         .keys = {&*key, 1},
                         .now = std::time(nullptr),
                         .state = state},
                        basis);
    }
    Appraisal appraise_host(Host& host, const Basis& basis) {
        return appraise_bytes(evidence_ = host.encoded(), host, basis);
    }
    static std::string codes_of(const Appraisal& appraisal) {
        std::string text;
        for (const Finding& finding : appraisal.findings)
            if (finding.weight != Weight::kNote)
                text += (text.empty() ? "" : " ") + std::string(finding.code);
        return text;
    }
    Buffer evidence_;
};

TEST_F(Appraise, AGoodHostIsAffirmed) {
    Host host;
    host.good();
    const auto result = appraise_host(host, basis_of(host));
    EXPECT_EQ(codes_of(result), "") << to_json(result, "");
    EXPECT_EQ(result.verdict, Verdict::kAffirmed);
    EXPECT_EQ(result.entries, host.list.entries);
    EXPECT_EQ(result.keys, 2u);
}

TEST_F(Appraise, ARogueKeyIsUnknown) {
    Host host;
    host.good();
    const auto rogue_key = Host::shared_key(3);
    const Buffer rogue = certificate(rogue_key.get(), "Rogue", rogue_key.get(), "Rogue");
    host.key(".ima", rogue, 301, "Rogue: 22");
    const auto result = appraise_host(host, basis_of(host));
    EXPECT_EQ(result.verdict, Verdict::kContraindicated);
    EXPECT_EQ(codes_of(result), "key-unknown chain-broken") << to_json(result, "");
}

}  // namespace
}  // namespace keyscribe::appraise
