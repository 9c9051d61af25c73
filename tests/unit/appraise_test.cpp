// SPDX-License-Identifier: Apache-2.0
// Good evidence, in every signature scheme, and what becomes of it when anything is cut or flipped.
// forgery_*_test.cpp change one thing each.
#include "controller/service/appraise/appraise.h"

#include <gtest/gtest.h>

#include <thread>

#include "controller/keyrings/certificate_view.h"
#include "controller/list/template_data.h"
#include "support.h"
#include "tests/support/setting.h"

namespace keyscribe::appraise {
namespace appraise_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::appraise_bytes;
using testing::Buffer;
using testing::codes_of;
using testing::Host;
using testing::key_of;
using testing::kIma;
using testing::rogue;
using testing::Setting;

TEST(Appraise, AGoodHostIsAffirmed) {
    Setting setting;
    setting.good();
    const auto result = setting.run();
    EXPECT_EQ(codes_of(result), "") << to_json(result, "");
    EXPECT_EQ(result.verdict, Verdict::kAffirmed);
    EXPECT_EQ(result.entries, setting.host.list.entries);
    EXPECT_EQ(result.keys, 2u);
    EXPECT_EQ(result.ima_entries, 2u);
    EXPECT_EQ(result.ima_signatures, 1u);
    EXPECT_EQ(result.boot_id, Host::kBootId);
    ASSERT_TRUE(result.claims);
    EXPECT_EQ(result.claims->reset_count, 7u);
}

TEST(Appraise, EverySignatureScheme) {
    struct Scheme {
        const char* name;
        std::shared_ptr<EVP_PKEY> key;
        TPMI_ALG_SIG_SCHEME scheme;
        Algorithm hash;
    };
    const std::vector<Scheme> schemes = {
        {"RSASSA 2048 SHA-256", Host::shared_key(0), TPM2_ALG_RSASSA, Algorithm::kSha256},
        {"RSASSA 2048 SHA-384", Host::shared_key(0), TPM2_ALG_RSASSA, Algorithm::kSha384},
        {"RSAPSS 2048 SHA-256", Host::shared_key(0), TPM2_ALG_RSAPSS, Algorithm::kSha256},
        {"RSAPSS 3072 SHA-512", testing::rsa_key(3072), TPM2_ALG_RSAPSS, Algorithm::kSha512},
        {"ECDSA P-256 SHA-256", testing::ec_key("P-256"), TPM2_ALG_ECDSA, Algorithm::kSha256},
        {"ECDSA P-384 SHA-384", testing::ec_key("P-384"), TPM2_ALG_ECDSA, Algorithm::kSha384},
        {"ECDSA P-521 SHA-512", testing::ec_key("P-521"), TPM2_ALG_ECDSA, Algorithm::kSha512},
    };
    for (const Scheme& scheme : schemes) {
        Setting setting;
        setting.good();
        setting.host.quote.key = scheme.key;
        setting.host.quote.scheme = scheme.scheme;
        setting.host.quote.hash = scheme.hash;
        const auto result = setting.run();
        EXPECT_EQ(result.verdict, Verdict::kAffirmed) << scheme.name << to_json(result, "");
        setting.host.quote.flip_signature = true;
        EXPECT_EQ(codes_of(setting.run()), "quote-signature") << scheme.name;
    }
}

/// Where the PCR is IMA's, the list begins with the entry that the kernel made itself.
TEST(Appraise, AListThatBeginsWithTheKernelsAggregate) {
    Setting setting;
    auto data = list::encode_ima_ng(Algorithm::kSha256, Host::aggregate_of(setting.host.firmware()),
                                    "boot_aggregate");
    data.resize(data.size() + 4);
    setting.host.list.add("ima-sig", data);
    setting.host.list.record("start", Host::speaker());
    setting.host.list.record("policy", Host::policy("measure func=KEY_CHECK\n"));
    setting.host.baseline();
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
}

TEST(Appraise, JsonIsTheSame) {
    Setting setting;
    setting.good();
    const std::string text = evidence::encode_json(setting.host.evidence());
    const auto result = appraise_bytes(as_bytes(text), setting.basis, key_of(setting.host));
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
}

TEST(Appraise, TruncatedAnywhereItIsUnusable) {
    Setting setting;
    setting.good();
    const Buffer bytes = setting.encoded();
    const auto key = key_of(setting.host);
    ASSERT_GT(bytes.size(), 4096u);
    for (std::size_t size = 0; size < 4096; size += testing::kStep) {
        const auto result = appraise_bytes(Bytes(bytes).first(size), setting.basis, key);
        ASSERT_EQ(result.verdict, Verdict::kUnusable) << size;
        ASSERT_EQ(codes_of(result), "evidence-malformed") << size;
    }
}

/// Every length in the envelope, in turn: the largest that fit into 32 and 64 bits.
TEST(Appraise, LengthsOfTheEnvelopeNearTheirLimitAreUnusable) {
    Setting setting;
    setting.good();
    const Buffer good = setting.encoded();
    const auto key = key_of(setting.host);
    std::size_t lengths = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
        // Heads of byte strings and text with a length of 1, 2 or 4 bytes behind them.
        const unsigned size = good[at] & 31, major = good[at] >> 5;
        if ((major != 2 && major != 3) || size < 24 || size > 26) continue;
        const std::size_t skip = std::size_t{1} << (size - 24);
        for (const std::uint8_t last : {0xff, 0xfe, 0xf0}) {
            Buffer bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
            bytes.push_back(static_cast<std::uint8_t>(major << 5 | 26));
            bytes.insert(bytes.end(), {0xff, 0xff, 0xff, last});
            bytes.insert(
                bytes.end(),
                good.begin() + static_cast<std::ptrdiff_t>(std::min(at + 1 + skip, good.size())),
                good.end());
            const auto result = appraise_bytes(bytes, setting.basis, key);
            ASSERT_EQ(result.verdict, Verdict::kUnusable) << at;
            ++lengths;
        }
    }
    EXPECT_GT(lengths, 20u);
}

TEST(Appraise, OneBitAnywhereIsNeverAffirmedForAnotherList) {
    Setting setting;
    setting.good();
    const Buffer good = setting.encoded();
    const auto key = key_of(setting.host);
    for (std::size_t at = 0; at < good.size(); at += 3 * testing::kStep) {
        Buffer bytes = good;
        bytes[at] ^= static_cast<std::uint8_t>(1 << (at % 8));
        const auto result = appraise_bytes(bytes, setting.basis, key);
        if (result.verdict != Verdict::kAffirmed) continue;
        // What nothing vouches for, and no verdict rests on: time, kernel, software.
        const auto before = evidence::decode(good), after = evidence::decode(bytes);
        ASSERT_TRUE(after);
        EXPECT_TRUE(std::ranges::equal(before->evidence.list.data, after->evidence.list.data))
            << at;
        EXPECT_TRUE(std::ranges::equal(before->evidence.ima->data, after->evidence.ima->data))
            << at;
        EXPECT_EQ(before->evidence.boot_id, after->evidence.boot_id);
        EXPECT_EQ(before->evidence.quotes[0].pcrs, after->evidence.quotes[0].pcrs);
    }
}

/// A certificate was renewed, both are reference values, and a keyring holds one: of whichever
/// certificate the list tells, it is that key.
TEST(Appraise, OfSeveralCertificatesOfOneKeyAnyCounts) {
    for (const bool old_stands : {false, true}) {
        Setting setting;
        Host& host = setting.host;
        const Buffer old =
            testing::certificate(host.ima_key.get(), "Old", Host::shared_key(3).get(), "nobody",
                                 {.not_before = 1, .not_after = 2});
        ASSERT_TRUE(setting.basis.references.add(old, "old.der"));
        const Buffer bits = testing::spki_bits(host.ima_key.get());
        const std::string key = to_hex(sha256(bits));
        host.begin();
        host.key(".ima", old_stands ? old : host.ima, 300, "Signer");
        for (const std::string& name :
             {std::string("*"), key, std::string("old.der"), std::string("ima.der")}) {
            setting.basis.policy.keys.required = {name};
            EXPECT_EQ(codes_of(setting.run()), "") << name << old_stands;
        }
        host.event("unlink", 300, ".ima", "Signer");
        EXPECT_EQ(codes_of(setting.run()), "key-missing");
    }
}

/// With the setting that accepts it, the key is there: under a certificate that nobody knows.
TEST(Appraise, AnotherCertificateOfARequiredKeyIsThatKey) {
    Setting setting;
    Host& host = setting.host;
    host.begin();
    host.key(
        ".ima",
        testing::certificate(host.ima_key.get(), "Another", host.builtin_key.get(), "Build key"),
        300, "Signer");
    setting.basis.policy.keys.required = {"ima.der"};
    EXPECT_EQ(codes_of(setting.run()), "key-other-certificate");
    setting.basis.policy.keys.allow_other_certificate = true;
    EXPECT_EQ(codes_of(setting.run()), "");
}

TEST(Appraise, WhatLiesBeyondTheQuoteIsLag) {
    Setting setting;
    setting.good();
    setting.host.first_pcrs = setting.host.list.pcrs();
    setting.host.key(kIma, rogue(setting.host), 301, "Rogue: 1");
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "list-lag");
    EXPECT_EQ(result.entries_beyond, 2u);
}

TEST(Appraise, ABankThatTheKernelPadsIsToldAndNoMore) {
    Setting setting;
    setting.good();
    evidence::PcrSet pcrs = setting.host.firmware();
    Digest value = filled(Algorithm::kSha384, 0), other = value;
    list::ListReader reader(setting.host.kernel.bytes);
    for (;;) {
        const auto entry = reader.next();
        ASSERT_TRUE(entry);
        if (!*entry) break;
        Digest padded = hash(Algorithm::kSha1, (*entry)->template_data);
        padded.size = 48;
        value = list::extended(Algorithm::kSha384, value, padded);
    }
    pcrs[Algorithm::kSha384][10] = value;
    setting.host.second_pcrs = pcrs;
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "ima-padded");
    setting.host.second_pcrs[Algorithm::kSha384][10] = other;
    EXPECT_EQ(codes_of(setting.run()), "ima-replay");
}

TEST(Appraise, ManyThreadsFindTheSame) {
    Setting setting;
    setting.good();
    for (int i = 0; i < 6000; ++i) setting.host.list.buf("staging", setting.host.ima);
    setting.host.list.buf("staging", rogue(setting.host));
    const Buffer bytes = setting.encoded();
    const auto key = key_of(setting.host);
    const auto one = appraise_bytes(bytes, setting.basis, key);
    EXPECT_EQ(codes_of(one), "key-unknown");
    for (const unsigned threads : {2u, 3u, 8u}) {
        auto more = appraise_bytes(bytes, setting.basis, key, {}, threads);
        more.time = one.time;  // under sanitizers another second may have begun
        EXPECT_EQ(to_json(more, ""), to_json(one, ""));
    }
}

TEST(Appraise, ACanaryWithTheNonceIsWhatARequiredOneIs) {
    Setting setting;
    setting.good();
    setting.basis.policy.host.require_canary = true;
    setting.host.list.record("canary",
                             {{"time", 1}, {"nonce", cbor_bytes(testing::QuoteMaker{}.nonce)}});
    EXPECT_EQ(codes_of(setting.run()), "");
}

TEST(Appraise, NothingIsLookedAtWithABasisThatWasNotCompleted) {
    Setting setting;
    setting.good();
    setting.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(setting.host.ima)), "blocked");
    EXPECT_EQ(codes_of(setting.run(), true), "basis-incomplete");
    setting.basis.blocked_keys = {};
    setting.basis.policy = *parse_policy("[keys]\nrequired = [\"no-such.der\"]", "a.toml");
    EXPECT_EQ(codes_of(setting.run(), true), "basis-incomplete");
    EXPECT_EQ(complete(std::move(setting.basis)).error().where, "a.toml:2:13");
}

TEST(Appraise, OneBasisServesManyThreadsAtOnce) {
    Setting good, bad;
    good.good();
    bad.good();
    bad.host.key(kIma, rogue(bad.host), 301, "Rogue: 1");
    const Buffer affirmed = good.encoded(), contraindicated = bad.encoded();
    const auto key = key_of(good.host);
    for (const Buffer* cert : {&bad.host.builtin, &bad.host.ima})
        ASSERT_TRUE(good.basis.references.add(*cert, "other.der"));
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            EXPECT_EQ(codes_of(appraise_bytes(affirmed, good.basis, key)), "");
            EXPECT_EQ(codes_of(appraise_bytes(contraindicated, good.basis, key)), "key-unknown");
        });
}

TEST(Appraise, WhatThePolicyAllowsIsANote) {
    Setting setting;
    setting.good();
    setting.host.event("revoke", 300, kIma, "File signer: 11");
    json again = Host::speaker();
    again["entries"] = setting.host.list.entries;
    setting.host.list.record("restart", again);
    setting.host.baseline("restart");
    setting.host.kernel.violation("/var/log/x");
    auto policy = parse_policy(
        "[keys]\nallow_revoked = true\n[host]\nallow_restart = true\n[ima]\nallow_violations = "
        "true",
        "appraisal.toml");
    ASSERT_TRUE(policy) << to_string(policy.error());
    setting.basis.policy = *policy;
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "key-revoked restarted key-missing ima-violation");
}

/// Each user could deny the host its verdict.
TEST(Appraise, ABlockedKeyInAUsersKeyringIsANote) {
    Setting setting;
    setting.good();
    json fields = setting.host.key_fields("create", 900, "mine", 901, "x");
    fields["keyring_uid"] = 1000;
    fields["sha256"] = cbor_bytes(hash(Algorithm::kSha256, as_bytes("x")));
    setting.host.list.record("create", fields);
    setting.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(as_bytes("x"))), "blocked");
    setting.basis.blocked_keys.extend(setting.basis.references);
    const Appraisal result = setting.run();
    EXPECT_EQ(codes_of(result), "");
    EXPECT_TRUE(codes_of(result, true).contains("key-blocked")) << codes_of(result, true);
}

/// A basis that a program makes itself.
TEST(Appraise, ABasisIsCompleteWithWhatItWasCompletedWith) {
    Setting setting;
    setting.good();
    setting.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(as_bytes("x"))), "blocked");
    EXPECT_EQ(codes_of(setting.run()), "basis-incomplete");
    setting.basis = *complete(std::move(setting.basis));
    EXPECT_EQ(codes_of(setting.run()), "");
    EXPECT_TRUE(setting.basis.references.add(rogue(setting.host), "more.der"));
    EXPECT_EQ(codes_of(setting.run()), "basis-incomplete");
    for (const bool bank : {true, false}) {
        Basis basis = basis_of(setting.host);
        if (bank)
            basis.policy.evidence.banks.clear();
        else
            basis.policy.keys.required = {"nosuch.der"};
        EXPECT_FALSE(complete(std::move(basis)));
    }
}

/// 30,000 keys that nobody watches are remembered: those behind them are no less well-formed, and
/// one that is blocked is found.
TEST(Appraise, AKeyBehindVeryManyOthers) {
    Setting setting;
    setting.good();
    const Buffer last = rogue(setting.host, "Last");
    setting.basis.policy.keyrings.watched = {".*"};
    for (int i = 0; i < 30'000; ++i) setting.host.list.buf("x", as_bytes(std::to_string(i)));
    setting.host.key("x", as_bytes("one more"), 998, "one more");
    setting.host.key("x", last, 999, "last");
    EXPECT_EQ(codes_of(setting.run()), "");
    const auto view = keyrings::view_certificate(last);
    setting.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(view->spki)), "blocked");
    setting.basis.blocked_keys.extend(setting.basis.references);
    EXPECT_EQ(codes_of(setting.run()), "key-blocked");
}

}  // namespace appraise_test
}  // namespace keyscribe::appraise
