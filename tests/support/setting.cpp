// SPDX-License-Identifier: Apache-2.0
#include "tests/support/setting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <vector>

namespace keyscribe::testing {

using appraise::Appraisal;
using appraise::AttestationKey;
using appraise::Basis;
using appraise::Finding;
using appraise::Weight;

const Buffer kNonce{1, 2, 3, 4, 5, 6, 7, 8};

Basis basis_of(const Host& host) {
    Basis basis;
    EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
    EXPECT_TRUE(basis.references.add(host.ima, "ima.der"));
    return basis;
}

AttestationKey key_of(const Host& host) {
    auto key = AttestationKey::from_pem(host.quote.pem());
    EXPECT_TRUE(key);
    return std::move(*key);
}

Buffer rogue(const Host& host, const std::string& name) {
    return certificate(Host::shared_key(3).get(), name, host.builtin_key.get(), "Build key");
}

Appraisal appraise_bytes(Bytes evidence, const Basis& basis, const AttestationKey& key, Bytes state,
                         unsigned threads) {
    return appraise::appraise({.evidence = evidence,
                               .nonce = kNonce,
                               .keys = {&key, 1},
                               .now = std::time(nullptr),
                               .state = state,
                               .threads = threads},
                              basis);
}

std::string codes_of(const Appraisal& appraisal, bool notes) {
    std::vector<std::string> codes;
    for (const Finding& finding : appraisal.findings)
        if ((notes || finding.weight != Weight::kNote) &&
            std::ranges::find(codes, finding.code) == codes.end())
            codes.emplace_back(finding.code);
    std::string text;
    for (const std::string& code : codes) text += (text.empty() ? "" : " ") + code;
    return text;
}

std::string findings_of(const Appraisal& appraisal) {
    std::string text;
    for (const Finding& finding : appraisal.findings) {
        if (finding.weight == Weight::kNote) continue;
        text += (text.empty() ? "" : " ") + std::string(finding.code);
        if (finding.entry)
            text += (finding.list == "ima" ? "@ima:" : "@") + std::to_string(*finding.entry);
        else
            EXPECT_EQ(finding.list, "");
    }
    return text;
}

void Setting::good() {
    host.good();
    host.with_ima = true;
    host.kernel.aggregate(Host::aggregate_of(host.firmware()));
    host.file("/usr/bin/good", "good", host.ima_key.get());
}

Buffer Setting::encoded() {
    evidence::Evidence made = host.evidence();
    if (edit) edit(made);
    return evidence::encode_cbor(made);
}

Appraisal Setting::run() {
    bytes_ = encoded();
    auto expected = host.quote;
    if (expected_key) expected.key = expected_key;
    const auto key = AttestationKey::from_pem(expected.pem());
    EXPECT_TRUE(key);
    return appraise_bytes(bytes_, basis, *key);
}

}  // namespace keyscribe::testing
