// SPDX-License-Identifier: Apache-2.0
// What is left of the spool after the death of its process, and after somebody changed it.
#include "controller/host/spool/spool_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "controller/host/spool/crc32.h"
#include "controller/host/spool/event_codec.h"
#include "controller/host/spool/spool.h"
#include "support.h"

namespace keyscribe {
namespace spool_file_test {

using testing::TempDir;
using namespace std::chrono_literals;

std::span<const std::uint8_t> bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class SpoolFileTest : public ::testing::Test {
  protected:
    spool::SpoolFile open() {
        auto file = spool::SpoolFile::open(path_);
        if (!file) throw std::runtime_error(to_string(file.error()));
        return std::move(*file);
    }
    /// The contents that a new process finds.
    std::vector<std::string> contents(std::uint64_t list_size = 0) {
        spool::SpoolFile file = open();
        found_ = file.settle(list_size);
        std::vector<std::string> all;
        for (const spool::Frame& frame : found_.frames)
            all.emplace_back(frame.content.begin(), frame.content.end());
        return all;
    }
    void write(spool::SpoolFile& file, std::initializer_list<std::string_view> contents) {
        for (const auto content : contents) file.append(spool::FrameKind::kEvent, bytes(content));
        ASSERT_TRUE(file.flush());
    }

    TempDir directory_;
    std::filesystem::path path_ = directory_ / "spool";
    spool::SpoolFile::Found found_;
};

using Contents = std::vector<std::string>;

TEST(Crc32, IsZlibs) { EXPECT_EQ(spool::crc32(bytes("123456789")), 0xcbf43926u); }

TEST(Crc32, EveryBitIsCorrected) {
    const std::string text = "a frame of the spool";
    const std::uint32_t right = spool::crc32(bytes(text));
    for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
        std::vector<std::uint8_t> changed(text.begin(), text.end());
        changed[bit / 8] ^= 1 << bit % 8;
        ASSERT_TRUE(spool::correct_one_bit(changed, spool::crc32(changed) ^ right));
        EXPECT_TRUE(std::ranges::equal(changed, bytes(text)));
    }
    std::vector<std::uint8_t> changed(text.begin(), text.end());
    changed[3] ^= 0x11;
    EXPECT_FALSE(spool::correct_one_bit(changed, spool::crc32(changed) ^ right));
}

TEST_F(SpoolFileTest, IsForItsOwnerAlone) {
    open();
    struct stat status{};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(SpoolFileTest, KeepsWhatWasWritten) {
    EXPECT_EQ(contents(), Contents{});
    {
        spool::SpoolFile file = open();
        file.settle(0);
        write(file, {"one", "", std::string_view("\0three\xff", 7)});
        file.append(spool::FrameKind::kEvent, bytes("never flushed"));
    }
    EXPECT_EQ(contents(), (Contents{"one", "", std::string("\0three\xff", 7)}));
    EXPECT_TRUE(found_.damage.empty());
}

TEST_F(SpoolFileTest, TheListDecidesWhatACommitCameTo) {
    for (const std::uint64_t size : {100u, 150u, 200u}) {
        std::filesystem::remove(path_);
        {
            spool::SpoolFile file = open();
            file.settle(0);
            write(file, {"one", "two", "three"});
            ASSERT_TRUE(file.begin_commit(3, {}, 100, 200));
        }
        EXPECT_EQ(contents(size).size(), size == 200 ? 1u : 3u);
        // And it stays so.
        EXPECT_EQ(contents(size).size(), size == 200 ? 1u : 3u);
    }
}

TEST_F(SpoolFileTest, ACommitThatFailedIsBegunAgain) {
    {
        spool::SpoolFile file = open();
        file.settle(0);
        write(file, {"one", "two", "three"});
        ASSERT_TRUE(file.begin_commit(3, {}, 100, 200));
        ASSERT_TRUE(file.begin_commit(2, {}, 50, 60));
    }
    EXPECT_EQ(contents(55), (Contents{"one", "two", "three"}));
    EXPECT_EQ(contents(60), (Contents{"one", "two", "three"}));  // settled before
}

TEST_F(SpoolFileTest, BecomesEmptyWhenNothingWaits) {
    spool::SpoolFile file = open();
    file.settle(0);
    for (int round = 0; round < 3; ++round) {
        write(file, {"one", "two"});
        const std::uint64_t next = file.next_number();
        ASSERT_TRUE(file.begin_commit(next, {}, 0, 0));
        file.end_commit();
        file.release(next);
        EXPECT_EQ(std::filesystem::file_size(path_), 4096u);
    }
    write(file, {"last"});
    EXPECT_EQ(contents(), Contents{"last"});
}

TEST_F(SpoolFileTest, GivesTheRoomOfWhatIsDoneBack) {
    spool::SpoolFile file = open();
    file.settle(0);
    const std::string large(100000, 'x');
    std::uint64_t released = 0;
    for (int i = 0; i < 200; ++i) {
        write(file, {large});
        if (i >= 3) file.release(released = file.next_number() - 3);
        struct stat status{};
        ASSERT_EQ(::stat(path_.c_str(), &status), 0);
        EXPECT_LT(status.st_blocks * 512, 2 << 20);
    }
    const auto left = contents();
    EXPECT_LE(left.size(), 20u);
    EXPECT_GE(left.size(), 3u);
    for (const auto& content : left) EXPECT_TRUE(content == large);
}

TEST_F(SpoolFileTest, HalfAFrameIsNobodysFault) {
    std::size_t first = 0;
    {
        spool::SpoolFile file = open();
        file.settle(0);
        write(file, {"one"});
        first = std::filesystem::file_size(path_);
        write(file, {"two"});
    }
    const std::string whole = testing::read_file(path_);
    for (std::size_t left = first; left < whole.size(); ++left) {
        testing::write_file(path_, whole.substr(0, left));
        EXPECT_EQ(contents(), Contents{"one"}) << left;
        EXPECT_TRUE(found_.damage.empty()) << left;
    }
}

TEST_F(SpoolFileTest, EveryFlippedBitIsNoticedAndRepaired) {
    {
        spool::SpoolFile file = open();
        file.settle(0);
        write(file, {"the first", "the second event", "3"});
    }
    const std::string whole = testing::read_file(path_);
    const Contents expected = {"the first", "the second event", "3"};
    const auto flip = [&](std::size_t bit) {
        std::string changed = whole;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
        testing::write_file(path_, changed);
        EXPECT_EQ(contents(), expected) << bit;
        EXPECT_EQ(found_.damage.size(), 1u) << bit;
    };
    for (std::size_t bit = 8 * 4096; bit < 8 * whole.size(); bit += testing::kStep) flip(bit);
    for (const std::size_t slot : {0u, 512u})
        for (std::size_t bit = 0; bit < 8 * sizeof(spool::SpoolFile::State); ++bit)
            flip(8 * slot + bit);
}

TEST_F(SpoolFileTest, WhatCannotBeRepairedIsLeftOutAndTold) {
    {
        spool::SpoolFile file = open();
        file.settle(0);
        write(file, {"the first", "the second event", "3"});
    }
    std::string whole = testing::read_file(path_);
    whole.replace(whole.find("second"), 6, "SECOND");
    testing::write_file(path_, whole);
    EXPECT_EQ(contents(), (Contents{"the first", "3"}));
    EXPECT_EQ(found_.damage.size(), 1u);
    testing::write_file(path_, std::string(9000, '\x5a'));
    EXPECT_EQ(contents(), Contents{});
    EXPECT_GE(found_.damage.size(), 1u);
}

events::KeyEvent event(std::uint64_t sequence) {
    events::KeyEvent made;
    made.sequence = sequence;
    made.boot_time_ns = 7;
    made.key_type = "asymmetric";
    made.description = "Debian";
    made.keyring.name = ".ima";
    made.key_expiry = -3;
    made.actor = {.pid = 1, .tid = 2, .cgroup_id = 77, .comm = "keyctl"};
    made.payload = {1, 2, 3};
    made.payload_length = 3;
    return made;
}

TEST(EventCodec, BackAndForth) {
    const events::KeyEvent before = event(5);
    const WipedBytes packed = spool::pack_event(before);
    const auto after = spool::unpack_event(packed);
    ASSERT_TRUE(after) << to_string(after.error());
    EXPECT_EQ(spool::pack_event(*after), packed);
    EXPECT_EQ(after->description, "Debian");
    EXPECT_EQ(after->actor.comm, "keyctl");
    EXPECT_EQ(after->payload, before.payload);
    for (std::size_t left = 0; left < packed.size(); ++left)
        EXPECT_FALSE(spool::unpack_event(std::span(packed).first(left)));
}

/// An event as a build with one more field packs it.
std::vector<std::uint8_t> with_unknown_field(std::uint64_t sequence) {
    const WipedBytes packed = spool::pack_event(event(sequence));
    std::vector<std::uint8_t> more(packed.begin(), packed.end());
    ++more[4];  // of the number of fields
    const std::uint8_t field[] = {0xff, 0, 0, 0, 1, 0, 0, 0, 7};
    more.insert(more.end(), std::begin(field), std::end(field));
    return more;
}

std::vector<std::uint8_t> of_version(std::uint8_t version, std::uint64_t sequence) {
    const WipedBytes packed = spool::pack_event(event(sequence));
    std::vector<std::uint8_t> other(packed.begin(), packed.end());
    other[0] = version;
    return other;
}

TEST(EventCodec, AnotherBuildsEventsAreReadOrRefused) {
    EXPECT_FALSE(spool::unpack_event(with_unknown_field(5)));
    EXPECT_FALSE(spool::unpack_event(of_version(9, 5)));
    EXPECT_EQ(spool::sequence_of(of_version(9, 5)), 5u);
    // The first field alone, as of a build that had no other.
    const WipedBytes packed = spool::pack_event(event(5));
    std::vector<std::uint8_t> fewer(packed.begin(), packed.begin() + 16 + 8 + 8);
    fewer[4] = 1;
    const auto older = spool::unpack_event(fewer);
    ASSERT_TRUE(older) << to_string(older.error());
    EXPECT_EQ(older->sequence, 5u);
    EXPECT_EQ(older->description, "");
}

TEST_F(SpoolFileTest, WhatAnotherBuildLeftIsDroppedNotTamperedWith) {
    {
        spool::SpoolFile file = open();
        file.settle(0);
        file.append(spool::FrameKind::kEvent, of_version(9, 5));
        file.append(spool::FrameKind::kEvent, with_unknown_field(6));
        file.append(spool::FrameKind::kEvent, spool::pack_event(event(7)));
        ASSERT_TRUE(file.flush());
    }
    const std::string both = testing::read_file(path_);
    for (int time = 0; time < 2; ++time) {  // until the list has it, it is found again
        spool::Spool spool(1 << 20, 0s);
        spool.keep_in(open(), 0, std::make_shared<settings::LoadedPolicy>());
        (void)spool.pop(0s);  // the policy
        const auto drop = std::get<spool::Drop>(spool.pop(0s).value());
        EXPECT_EQ(spool::name_of(drop.reason), "version");
        EXPECT_EQ(drop.count, 2u);
        EXPECT_EQ(drop.first_sequence, 5u);
        EXPECT_EQ(drop.last_sequence, 6u);
        EXPECT_EQ(std::get<events::KeyEvent>(spool.pop(0s).value()).sequence, 7u);
        EXPECT_FALSE(spool.pop(0s));
    }
    // A file of another version: its state says so, and has its own CRC.
    std::string other = both;
    for (const std::size_t slot : {0u, 512u}) {
        std::uint32_t size = 0;
        std::memcpy(&size, other.data() + slot + 12, sizeof(size));
        if (size == 0) continue;
        other[slot + 8] = 77;
        const std::uint32_t crc =
            spool::crc32(bytes(std::string_view(other).substr(slot + 8, size - 8)));
        std::memcpy(other.data() + slot + 4, &crc, sizeof(crc));
    }
    testing::write_file(path_, other);
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(open(), 0, std::make_shared<settings::LoadedPolicy>());
    (void)spool.pop(0s);
    const auto drop = std::get<spool::Drop>(spool.pop(0s).value());
    EXPECT_EQ(spool::name_of(drop.reason), "version");
    EXPECT_EQ(drop.count, 0u);
    EXPECT_FALSE(spool.pop(0s));
}

TEST_F(SpoolFileTest, WhatARingOfAnotherVersionHadIsDroppedAlsoAfterADeath) {
    {
        spool::Spool spool(1 << 20, 0s);
        spool.keep_in(open(), 0, std::make_shared<settings::LoadedPolicy>());
        spool.drop_unread(7);
        spool.flush();
        (void)spool.pop(0s);  // the policy
        const auto drop = std::get<spool::Drop>(spool.pop(0s).value());
        EXPECT_EQ(spool::name_of(drop.reason), "version");
        EXPECT_EQ(drop.count, 7u);
        EXPECT_EQ(spool.totals().dropped, 7u);
    }
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(open(), 0, std::make_shared<settings::LoadedPolicy>());
    (void)spool.pop(0s);
    EXPECT_EQ(std::get<spool::Drop>(spool.pop(0s).value()).count, 7u);
}

/// What somebody puts into a payload looks like the frames of another file.
TEST_F(SpoolFileTest, APayloadIsNoFrame) {
    std::string forged;
    {
        const TempDir elsewhere;
        auto other = spool::SpoolFile::open(elsewhere / "spool");
        ASSERT_TRUE(other);
        other->settle(0);
        write(*other, {"the first", "a forged event", "another", "one more"});
        forged = testing::read_file(elsewhere / "spool").substr(4096);
    }
    std::size_t first = 0;
    {
        spool::SpoolFile file = open();
        file.settle(0);
        write(file, {"the first"});
        first = std::filesystem::file_size(path_);
        write(file, {forged + forged});
    }
    const std::string whole = testing::read_file(path_);
    // Its header is destroyed, or its end is missing.
    std::string changed = whole;
    for (std::size_t i = 0; i < 16; ++i) changed[first + i] = '\x55';
    for (const std::string& left : {changed, whole.substr(0, whole.size() - 9)}) {
        testing::write_file(path_, left);
        EXPECT_EQ(contents(), Contents{"the first"});
    }
}

TEST(SipHash, IsThatOfThePaper) {
    // Its appendix A: the key 00 01 .. 0f, the message 00 01 .. 0e.
    const base::SipKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::vector<std::uint8_t> message(15);
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i);
    EXPECT_EQ(base::siphash(key, message), 0xa129ca6149be45e5u);
    // The first of the reference implementation's vectors.
    EXPECT_EQ(base::siphash(key, {}), 0x726fdb47dd0e0e31u);
}

TEST_F(SpoolFileTest, TheNextProcessTakesOver) {
    const auto policy = std::make_shared<settings::LoadedPolicy>(
        settings::LoadedPolicy{.files = {{"10.policy", "measure func=KEY_CHECK\n"}}});
    {
        spool::Spool spool(1 << 20, 0s);
        spool.keep_in(open(), 0, nullptr);
        spool.push(spool::PolicyChange{.loaded = policy, .generation = 1});
        for (std::uint64_t sequence : {1u, 2u, 3u}) spool.push(event(sequence));
        spool.push(spool::PolicyChange{.loaded = policy, .generation = 2});
        spool.push(events::Loss{.first = 4, .last = 6});
        spool.push(event(7));
        spool.flush();
        (void)spool.pop(0s);
        (void)spool.pop(0s);
        spool.begin_commit(spool.taken(), 0, 50);
        spool.end_commit();
        (void)spool.pop(0s);  // taken, and in no list yet
    }
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(open(), 50, policy);
    EXPECT_EQ(spool.totals().restored, 3u);
    spool.push(spool::PolicyChange{.loaded = policy, .generation = 1});
    const auto next = [&] { return spool.pop(0s).value(); };
    EXPECT_EQ(std::get<spool::Resume>(next()).loaded, policy);
    EXPECT_EQ(std::get<events::KeyEvent>(next()).sequence, 2u);
    EXPECT_EQ(std::get<events::KeyEvent>(next()).sequence, 3u);
    const auto change = std::get<spool::PolicyChange>(next());
    EXPECT_EQ(change.generation, 2u);
    EXPECT_EQ(change.loaded->files.at(0).text, policy->files[0].text);
    EXPECT_EQ(std::get<events::Loss>(next()), (events::Loss{.first = 4, .last = 6}));
    EXPECT_EQ(std::get<events::KeyEvent>(next()).sequence, 7u);
    EXPECT_EQ(std::get<spool::PolicyChange>(next()).generation, 1u);
    EXPECT_FALSE(spool.pop(0s));
}

TEST_F(SpoolFileTest, WhatFoundNoRoomIsKnownAfterwardsToo) {
    {
        spool::Spool spool(sizeof(events::KeyEvent) + 100, 0s);
        spool.keep_in(open(), 0, nullptr);
        for (std::uint64_t sequence : {1u, 2u, 3u}) spool.push(event(sequence));
        spool.flush();
    }
    for (int time = 0; time < 2; ++time) {
        spool::Spool spool(1 << 20, 0s);
        spool.keep_in(open(), 0, std::make_shared<settings::LoadedPolicy>());
        (void)spool.pop(0s);
        const auto drop = std::get<spool::Drop>(spool.pop(0s).value());
        EXPECT_EQ(drop.count, 2u);
        EXPECT_EQ(drop.first_sequence, 2u);
        EXPECT_EQ(drop.last_sequence, 3u);
        spool.begin_commit(spool.taken(), 0, 10);
    }
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(open(), 10, std::make_shared<settings::LoadedPolicy>());
    (void)spool.pop(0s);
    EXPECT_EQ(std::get<events::KeyEvent>(spool.pop(0s).value()).sequence, 1u);
}

TEST_F(SpoolFileTest, SoIsHowFarTheRingWasRead) {
    {
        spool::Spool spool(sizeof(events::KeyEvent) + 100, 0s);
        spool.keep_in(open(), 0, nullptr);
        for (std::uint64_t sequence : {1u, 2u, 3u}) {
            events::KeyEvent next = event(sequence);
            next.ring = 5;
            next.ring_position = 100 * sequence;
            spool.push(std::move(next));
        }
        spool.flush();
    }
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(open(), 0, nullptr);
    EXPECT_EQ(spool.progress().ring, 5u);
    EXPECT_EQ(spool.progress().received, 3u);
    EXPECT_EQ(spool.progress().position, 300u);
}

TEST_F(SpoolFileTest, WhatWaitedTooLongIsNotFoundAgainOnceItIsTold) {
    const auto policy = std::make_shared<settings::LoadedPolicy>();
    {
        spool::Spool spool(1 << 20, 1s);
        spool.keep_in(open(), 0, policy);
        for (std::uint64_t sequence : {1u, 2u}) spool.push(event(sequence));
        spool.flush();
        spool.expire(spool::Spool::Clock::now() + 2s);
        spool.push(event(3));
        spool.flush();
    }
    {
        // It was not told of yet.
        spool::Spool spool(1 << 20, 1s);
        spool.keep_in(open(), 0, policy);
        EXPECT_EQ(spool.totals().restored, 3u);
        (void)spool.pop(0s);  // Resume
        spool.expire(spool::Spool::Clock::now() + 2s);
        EXPECT_EQ(std::get<spool::Drop>(spool.pop(0s).value()).count, 3u);
        spool.begin_commit(spool.taken(), 0, 50);
    }
    spool::Spool spool(1 << 20, 1s);
    spool.keep_in(open(), 50, policy);
    EXPECT_EQ(spool.totals().restored, 0u);
}

TEST_F(SpoolFileTest, AFileThatWasRemovedOrCutIsWrittenAnew) {
    for (const bool cut : {false, true}) {
        std::filesystem::remove(path_);
        {
            spool::Spool spool(1 << 20, 0s);
            spool.keep_in(open(), 0, nullptr);
            for (std::uint64_t sequence : {1u, 2u, 3u}) spool.push(event(sequence));
            spool.flush();
            if (cut)
                std::filesystem::resize_file(path_, 4200);
            else
                std::filesystem::remove(path_);
            spool.expire();
            spool.push(event(4));
            spool.flush();
        }
        spool::Spool spool(1 << 20, 0s);
        spool.keep_in(open(), 0, nullptr);
        EXPECT_EQ(spool.totals().restored, 4u) << cut;
    }
}

}  // namespace spool_file_test
}  // namespace keyscribe
