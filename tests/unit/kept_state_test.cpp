// SPDX-License-Identifier: Apache-2.0
// The state that a service keeps of a host, and what a next appraisal makes of it.
#include <gtest/gtest.h>

#include <list>

#include "tests/support/setting.h"

namespace keyscribe::appraise {
namespace kept_state_test {

using testing::appraise_bytes;
using testing::basis_of;
using testing::Buffer;
using testing::certificate;
using testing::codes_of;
using testing::Host;
using testing::key_of;
using testing::kIma;
using testing::rogue;

Buffer kept(const Appraisal& appraisal) {
    EXPECT_TRUE(appraisal.next);
    const std::string header = appraisal.next->header();
    Buffer bytes(header.begin(), header.end());
    bytes.insert(bytes.end(), appraisal.next->kept.begin(), appraisal.next->kept.end());
    bytes.insert(bytes.end(), appraisal.next->added.begin(), appraisal.next->added.end());
    return bytes;
}

class KeptStates : public ::testing::Test {
  protected:
    KeptStates() : basis_(basis_of(host_)), key_(key_of(host_)) { host_.good(); }
    /// Each time a quote of its own: the TPM's clock goes on.
    Appraisal run(Bytes state) {
        ++host_.quote.clock;
        bytes_.push_back(host_.encoded());
        return appraise_bytes(bytes_.back(), basis_, key_, state);
    }
    Host host_;
    Basis basis_;
    AttestationKey key_;
    std::list<Buffer> bytes_;
};

TEST_F(KeptStates, WhatIsNewGoesOnFromThere) {
    const Buffer first = kept(run({}));
    host_.from_entry = host_.list.entries;
    const auto nothing_new = run(first);
    EXPECT_EQ(codes_of(nothing_new), "") << to_json(nothing_new, "");
    EXPECT_EQ(nothing_new.verdict, Verdict::kAffirmed);

    const Buffer second_cert =
        certificate(Host::shared_key(5).get(), "Second", host_.builtin_key.get(), "Build key");
    ASSERT_TRUE(basis_.references.add(second_cert, "second.der"));
    host_.key(kIma, second_cert, 301, "Second: 1");
    host_.quote.clock += 10;
    const auto more = run(first);
    // Its signer stands in the part that is kept.
    EXPECT_EQ(codes_of(more), "") << to_json(more, "");
    EXPECT_EQ(more.keys, 3u);
    EXPECT_EQ(more.entries, host_.list.entries);

    const Buffer second = kept(more);
    host_.from_entry = host_.list.entries;
    host_.key(kIma, rogue(host_), 302, "Rogue: 1");
    EXPECT_EQ(codes_of(run(second)), "key-unknown");
    EXPECT_EQ(codes_of(run(first)), "state-gap");
    EXPECT_EQ(codes_of(run({})), "state-missing");
    host_.from_entry = 0;
    EXPECT_EQ(codes_of(run(second)), "key-unknown")
        << "the whole list, which begins with what is kept";
}

TEST_F(KeptStates, AKeyThatWasRogueBeforeIsStillTold) {
    host_.key(kIma, rogue(host_), 301, "Rogue: 1");
    const auto first = run({});
    EXPECT_EQ(first.verdict, Verdict::kContraindicated);
    const Buffer state = kept(first);
    host_.from_entry = host_.list.entries;
    host_.event("unlink", 301, kIma, "Rogue: 1");
    EXPECT_EQ(codes_of(run(state)), "key-unknown");
}

TEST_F(KeptStates, AListThatDoesNotGoOnIsUnusable) {
    const Buffer state = kept(run({}));
    Host other;
    other.begin();
    host_.list = other.list;
    EXPECT_EQ(codes_of(run(state)), "state-diverged");
}

TEST_F(KeptStates, ANewBootBeginsAnew) {
    const Buffer state = kept(run({}));
    host_.quote.reset_count += 2;
    host_.quote.restart_count = 0;
    host_.list = testing::ListMaker(Host::kPcr);
    host_.boot_id = "00000000-0000-4000-8000-000000000002";
    host_.good();
    const auto result = run(state);
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "boot-new");
    host_.from_entry = host_.list.entries - 1;
    EXPECT_EQ(codes_of(run(state)), "state-missing");
}

TEST_F(KeptStates, ATpmThatWasResetUnderTheSameKernelIsNoNewBoot) {
    const Buffer state = kept(run({}));
    host_.list = testing::ListMaker(Host::kPcr);
    host_.good();
    host_.quote.restart_count += 1;
    EXPECT_EQ(codes_of(run(state)), "tpm-reset");
    host_.list = testing::ListMaker(Host::kPcr);
    host_.quote.reset_count += 1;
    host_.good();
    EXPECT_EQ(codes_of(run(state)), "tpm-reset");
}

TEST_F(KeptStates, AResumedTpmKeepsItsPcrs) {
    const Buffer state = kept(run({}));
    host_.quote.restart_count += 1;
    const auto result = run(state);
    EXPECT_EQ(result.verdict, Verdict::kAffirmed);
    EXPECT_EQ(codes_of(result, true), "tpm-resumed");
}

TEST_F(KeptStates, CountersDoNotGoBack) {
    const Buffer state = kept(run({}));
    host_.quote.clock -= 2;
    EXPECT_EQ(codes_of(run(state)), "state-back");
    // The list says after how many resets it was begun.
    host_.quote.reset_count -= 1;
    EXPECT_EQ(codes_of(run(state)), "state-back tpm-other");
}

TEST_F(KeptStates, ADamagedStateIsSaid) {
    const Buffer state = kept(run({}));
    EXPECT_EQ(codes_of(run(Bytes(state).first(state.size() - 1))), "state-unreadable");
    EXPECT_EQ(codes_of(run(as_bytes("{}\n"))), "state-unreadable");
    EXPECT_EQ(codes_of(run(as_bytes("nonsense"))), "state-unreadable");
    // 2^32 more would be the same number of 32 bits.
    for (const char* number : {"\"pcr\":13", "\"reset_count\":7", "\"restart_count\":1"}) {
        std::string text(state.begin(), state.end());
        const std::size_t at = text.find(number);
        ASSERT_NE(at, text.npos) << number;
        const std::size_t value = text.find(':', at) + 1;
        text.replace(value, text.find_first_of(",}", value) - value,
                     std::to_string((std::uint64_t{1} << 32) + std::stoul(text.substr(value))));
        EXPECT_EQ(codes_of(run(as_bytes(text))), "state-unreadable") << number;
    }
}

}  // namespace kept_state_test
}  // namespace keyscribe::appraise
