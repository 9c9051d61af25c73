// SPDX-License-Identifier: Apache-2.0
// Another kernel that was started by kexec: PCRs go on, the boot_id is new, and IMA's list begins
// anew.
#include <gtest/gtest.h>

#include "guest_evidence.h"
#include "tests/support/setting.h"

namespace keyscribe::appraise {
namespace kexec_test {

using testing::Buffer;
using testing::codes_of;
using testing::Host;
using testing::Setting;

constexpr const char* kNextBoot = "c0ffee00-0000-4000-8000-000000000002";

/// The next kernel's daemon goes on with the list.
void start_next(Host& host) {
    nlohmann::json kexec = Host::speaker();
    kexec["boot_id"] = host.boot_id = kNextBoot;
    kexec["entries"] = host.list.entries;
    kexec["tpm"]["resets"] = host.quote.reset_count;
    host.list.record("kexec", kexec);
    host.list.record("policy", Host::policy(host.rules));
    host.baseline();
    host.key(".ima", host.ima, 400, "File signer: 11");
}

Buffer kept(const Appraisal& appraisal) {
    const std::string header = appraisal.next.value().header();
    Buffer bytes(header.begin(), header.end());
    for (const Bytes part :
         {appraisal.next->kept, appraisal.next->added, appraisal.next->state.ima})
        bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
}

TEST(Kexec, TheListGoesOn) {
    Setting setting;
    setting.host.good();
    setting.host.key("former", setting.host.ima, 301, "gone");
    start_next(setting.host);
    const Appraisal appraisal = setting.run();
    EXPECT_EQ(codes_of(appraisal), "") << testing::findings_of(appraisal);
    EXPECT_NE(codes_of(appraisal, true).find("kexec"), std::string::npos);
    // Of what stood in the former kernel nothing does.
    const keyrings::KeyringModel& model = *appraisal.model;
    std::vector<std::int32_t> standing;
    for (keyrings::LinkId id = 0; id < model.links(); ++id)
        if (model.link(id).stands) standing.push_back(model.key(model.link(id).key).serial);
    std::ranges::sort(standing);
    EXPECT_EQ(standing, (std::vector<std::int32_t>{200, 400}));
    setting.basis.policy.host.allow_kexec = false;
    EXPECT_EQ(codes_of(setting.run()).substr(0, 5), "kexec");
}

TEST(Kexec, WhatStoodBeforeIsStillJudged) {
    Setting setting;
    setting.host.good();
    setting.host.key(".ima", testing::rogue(setting.host), 301, "Rogue: 1");
    start_next(setting.host);
    EXPECT_NE(codes_of(setting.run()).find("key-unknown"), std::string::npos);
}

TEST(Kexec, TheNextKernelNeedsABaselineOfItsOwn) {
    Setting setting;
    setting.host.good();
    nlohmann::json kexec = Host::speaker();
    kexec["boot_id"] = setting.host.boot_id = kNextBoot;
    kexec["entries"] = setting.host.list.entries;
    kexec["tpm"]["resets"] = setting.host.quote.reset_count;
    setting.host.list.record("kexec", kexec);
    EXPECT_EQ(codes_of(setting.run()).substr(0, 16), "baseline-missing");
}

TEST(Kexec, KeptStateGoesOn) {
    Setting setting;
    setting.host.good();
    const Buffer state = kept(setting.run());
    ++setting.host.quote.clock;
    start_next(setting.host);
    const auto key = testing::key_of(setting.host);
    const Buffer whole = setting.host.encoded();
    const Appraisal appraisal = testing::appraise_bytes(whole, setting.basis, key, state);
    EXPECT_EQ(codes_of(appraisal), "") << testing::findings_of(appraisal);
    EXPECT_EQ(appraisal.next->state.boot_id, kNextBoot);
}

/// Real guests: list 2 began anew, and list 1 is what the service has kept.
TEST(Kexec, WhereTheListBeganAnewKeptStateExplainsThePcr) {
    for (const char* name : {"kexec-6.12"}) {
        const auto appraise_one = [&](const char* file, Bytes state) {
            testing::Guest guest(name);
            const MappedFile bytes = testing::firmware_fixture(std::string(name) + '/' + file);
            guest.document = evidence::decode(bytes.bytes()).value();
            guest.state.assign(state.begin(), state.end());
            const Appraisal appraisal = guest.run();
            return std::pair(guest.codes(), appraisal.next ? kept(appraisal) : Buffer());
        };
        const auto [first, state] = appraise_one("evidence.bin", {});
        ASSERT_FALSE(state.empty()) << first;
        const auto [alone, nothing] = appraise_one("after-kexec.bin", {});
        EXPECT_NE(alone.find("foreign-extend"), std::string::npos) << alone;
        EXPECT_EQ(alone.find("ima-replay"), std::string::npos) << alone;
        EXPECT_NE(alone.find("[ima-missing]"), std::string::npos) << alone;
        const auto [known, next] = appraise_one("after-kexec.bin", state);
        EXPECT_NE(known.find("[foreign-extend]"), std::string::npos) << known;
        EXPECT_NE(known.find("[boot-new]"), std::string::npos) << known;
        EXPECT_EQ(known.find("state-diverged"), std::string::npos) << known;
    }
}

TEST(Kexec, AListThatBeganAnewIsAKexecToo) {
    Setting setting;
    setting.host.good();
    const Buffer state = kept(setting.run());
    Host next = setting.host;
    ++next.quote.clock;
    next.begin_after_kexec(kNextBoot);
    const Buffer evidence = next.encoded();
    const auto key = testing::key_of(next);
    const auto judged = [&] {
        return testing::appraise_bytes(evidence, setting.basis, key, state);
    };
    EXPECT_EQ(codes_of(judged()), "") << testing::findings_of(judged());
    EXPECT_NE(codes_of(judged(), true).find("kexec"), std::string::npos);
    // tpm2-tools' files say nothing of a boot; the list does.
    auto document = evidence::decode(evidence).value();
    document.evidence.ak = {};
    document.evidence.boot_id = {};
    document.evidence.kernel = {};
    const Appraisal by_files = appraise(
        document.evidence,
        {.nonce = next.quote.nonce, .keys = {&key, 1}, .now = std::time(nullptr), .state = state},
        setting.basis);
    EXPECT_EQ(codes_of(by_files), "") << testing::findings_of(by_files);
    setting.basis.policy.host.allow_kexec = false;
    EXPECT_EQ(codes_of(judged()), "kexec");
}

/// What was kept of the former kernel is thrown away, and its PCR explains how the list begins.
TEST(Kexec, WhatCameBeforeAListThatBeganAnewIsRemembered) {
    for (const bool whole : {true, false}) {
        Setting setting;
        setting.host.good();
        const auto key = testing::key_of(setting.host);
        Buffer state = kept(setting.run());
        setting.host.begin_after_kexec(kNextBoot);
        for (int visit = 0; visit < 3; ++visit) {
            ++setting.host.quote.clock;
            const Buffer bytes = setting.host.encoded();
            const Appraisal appraisal = testing::appraise_bytes(bytes, setting.basis, key, state);
            EXPECT_EQ(codes_of(appraisal), "") << testing::findings_of(appraisal);
            EXPECT_NE(codes_of(appraisal, true).find("kexec"), std::string::npos);
            const Appraisal again = appraise({.evidence = bytes,
                                              .nonce = setting.host.quote.nonce,
                                              .keys = {&key, 1},
                                              .now = std::time(nullptr),
                                              .state = whole ? Bytes() : Bytes(state),
                                              .before_kexec = appraisal.next->state.before_kexec},
                                             setting.basis);
            EXPECT_EQ(codes_of(again), "") << testing::findings_of(again);
            state = kept(appraisal);
            if (!whole) setting.host.from_entry = setting.host.list.entries;
            setting.host.key("staging", setting.host.ima, 500 + visit, "one more");
        }
        ++setting.host.quote.clock;
        setting.basis.policy.host.allow_kexec = false;
        const Buffer bytes = setting.host.encoded();
        EXPECT_EQ(codes_of(testing::appraise_bytes(bytes, setting.basis, key, state)), "kexec");
    }
}

/// Evidence with only what is new of the kernel's list.
TEST(KeptState, OfTheKernelsList) {
    Setting setting;
    setting.good();
    const Buffer state = kept(setting.run());
    const std::size_t bytes = setting.host.kernel.bytes.size();
    const std::uint64_t entries = setting.host.kernel.entries;
    ++setting.host.quote.clock;
    setting.host.file("/usr/bin/new", "new", setting.host.ima_key.get());
    setting.edit = [&](evidence::Evidence& evidence) {
        evidence::ImaList& ima = *evidence.ima;
        ima.data = ima.data.subspan(bytes);
        ima.entries -= entries;
        ima.offset = bytes;
        ima.from_entry = entries;
    };
    const Buffer encoded = setting.encoded();
    const auto key = testing::key_of(setting.host);
    const Appraisal appraisal = testing::appraise_bytes(encoded, setting.basis, key, state);
    EXPECT_EQ(codes_of(appraisal), "") << testing::findings_of(appraisal);
    EXPECT_EQ(appraisal.ima_entries, entries + 1);
    EXPECT_EQ(appraisal.next->state.ima.size(), setting.host.kernel.bytes.size());
    // Without the state, with a gap, or with a state that was changed it is unusable.
    EXPECT_EQ(codes_of(testing::appraise_bytes(encoded, setting.basis, key)), "state-missing");
    Buffer damaged = state;
    damaged.back() ^= 1;
    EXPECT_EQ(codes_of(testing::appraise_bytes(encoded, setting.basis, key, damaged)),
              "state-unreadable");
    const auto as_it_was = setting.edit;
    setting.edit = [&](evidence::Evidence& evidence) {
        as_it_was(evidence);
        --evidence.ima->from_entry;
    };
    EXPECT_EQ(codes_of(testing::appraise_bytes(setting.encoded(), setting.basis, key, state)),
              "state-gap");
}

}  // namespace kexec_test
}  // namespace keyscribe::appraise
