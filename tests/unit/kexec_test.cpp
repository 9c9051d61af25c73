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
    testing::ListMaker list = setting.host.list;
    list.bytes.clear(), list.offsets.clear(), list.entries = 0;
    Host next;
    next.list = list;
    next.boot_id = kNextBoot;
    next.quote.clock = setting.host.quote.clock + 1;
    next.list.aggregate(Host::aggregate_of(next.firmware()));
    nlohmann::json start = Host::speaker();
    start["boot_id"] = kNextBoot;
    start["tpm"]["resets"] = next.quote.reset_count;
    next.list.record("start", start);
    next.list.record("foreign", {{"pcr", Host::kPcr}, {"values", next.list.values_json()}});
    next.list.record("policy", Host::policy(next.rules));
    next.baseline();
    const Buffer evidence = next.encoded();
    const auto key = testing::key_of(next);
    const auto judged = [&] {
        return testing::appraise_bytes(evidence, setting.basis, key, state);
    };
    EXPECT_EQ(codes_of(judged()), "") << testing::findings_of(judged());
    EXPECT_NE(codes_of(judged(), true).find("kexec"), std::string::npos);
    setting.basis.policy.host.allow_kexec = false;
    EXPECT_EQ(codes_of(judged()), "kexec");
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
