// SPDX-License-Identifier: Apache-2.0
// List and PCR together, against a software TPM, and what is left of them after every kind of
// death in between.
#include "controller/host/measure/measurement_log.h"

#include <gtest/gtest.h>

#include "controller/host/measure/boot_aggregate.h"
#include "controller/host/records/records.h"
#include "controller/list/template_data.h"
#include "support.h"

namespace keyscribe::measure {
namespace measurement_log_test {

constexpr unsigned kPcr = 13;

class MeasurementLogTest : public ::testing::Test {
  protected:
    struct Opened {
        std::unique_ptr<tpm::Tpm> tpm;
        Recovery recovery;
        std::optional<MeasurementLog> log;
    };

    Opened open() {
        Opened opened{.tpm = std::make_unique<tpm::Tpm>(swtpm_.open())};
        auto log = MeasurementLog::open(directory_, *opened.tpm, kPcr, opened.recovery);
        if (!log) throw std::runtime_error(to_string(log.error()));
        opened.log = std::move(*log);
        return opened;
    }

    static void append(MeasurementLog& log, std::string_view name, std::string_view buf,
                       unsigned pcr = kPcr) {
        const auto done = log.append(
            std::array{NewEntry{pcr, "ima-buf", list::encode_ima_buf(name, as_bytes(buf))}});
        ASSERT_TRUE(done) << to_string(done.error().error);
    }

    /// As a daemon that died between the list and the extend.
    void append_to_list_alone(std::string_view name, std::string_view buf) {
        auto files = ListFiles::open(directory_);
        ASSERT_TRUE(files);
        ASSERT_TRUE(files->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf(name, as_bytes(buf))}}));
    }

    void extend_behind_its_back(unsigned pcr = kPcr) {
        const auto output = testing::run("tpm2_pcrextend -T " + swtpm_.tcti() + " " +
                                         std::to_string(pcr) + ":sha256=" + std::string(64, 'e'));
        ASSERT_EQ(output.status, 0) << output.text;
    }

    std::string binary() const { return testing::read_file(directory_ / ListFiles::kBinary); }
    std::string text() const { return testing::read_file(directory_ / ListFiles::kText); }

    /// The text that belongs to the binary list.
    std::string text_of_binary() const {
        const std::string list = binary();
        std::string all;
        const auto entries = list::read_list(as_bytes(list)).value();
        for (const list::Entry& entry : entries)
            all +=
                text_line(entry.pcr, entry.stored_digest, entry.template_name, entry.template_data);
        return all;
    }

    /// The TPM, as tpm2-tools read it, has what a replay of the list gives.
    void expect_replay_equals_pcr(unsigned pcr = kPcr) {
        std::vector<Algorithm> banks = swtpm_.open().banks(pcr).value();
        const std::string list = binary();
        list::Replay replay(banks);
        const auto entries = list::read_list(as_bytes(list)).value();
        for (const list::Entry& entry : entries) replay.add(entry);
        for (const Algorithm bank : banks)
            EXPECT_EQ(swtpm_.pcrread(pcr, bank), to_hex(replay.value(pcr, bank)));
    }

    testing::Swtpm swtpm_;
    testing::TempDir directory_;
};

TEST_F(MeasurementLogTest, ReplayEqualsPcr) {
    {
        Opened opened = open();
        EXPECT_EQ(opened.recovery.entries, 0u);
        EXPECT_TRUE(opened.recovery.foreign.empty());
        append(*opened.log, "one", "1");
        append(*opened.log, "two", std::string(100000, 'x'));
        append(*opened.log, "elsewhere", "3", 10);
        EXPECT_EQ(opened.log->entries(), 3u);
        EXPECT_EQ(opened.log->extends(), 3u);
        EXPECT_TRUE(opened.log->foreign_extends().value().empty());
    }
    expect_replay_equals_pcr(kPcr);
    expect_replay_equals_pcr(10);

    const Opened again = open();
    EXPECT_EQ(again.recovery.entries, 3u);
    EXPECT_EQ(again.recovery.owed, 0u);
    EXPECT_EQ(again.recovery.torn_bytes, 0u);
    EXPECT_TRUE(again.recovery.foreign.empty());
}

TEST_F(MeasurementLogTest, MakesTheExtendsThatAreOwed) {
    for (const unsigned owed : {1u, 3u}) {
        {
            Opened opened = open();
            append(*opened.log, "before", "x");
        }
        for (unsigned i = 0; i < owed; ++i) append_to_list_alone("owed", std::to_string(i));
        {
            Opened opened = open();
            EXPECT_EQ(opened.recovery.owed, owed);
            EXPECT_TRUE(opened.recovery.foreign.empty());
            append(*opened.log, "after", "y");
        }
        expect_replay_equals_pcr();
        EXPECT_EQ(open().recovery.owed, 0u);
    }
}

TEST_F(MeasurementLogTest, OwesEveryExtendOfAFreshTpm) {
    for (const char* name : {"one", "two"}) append_to_list_alone(name, "x");
    EXPECT_EQ(open().recovery.owed, 2u);
    expect_replay_equals_pcr();
}

TEST_F(MeasurementLogTest, CutsOffATornEntry) {
    {
        Opened opened = open();
        append(*opened.log, "whole", "x");
    }
    const std::string before = binary();
    const std::string text_before = text();
    append_to_list_alone("torn", std::string(100, 'y'));
    const std::string after = binary();
    for (const std::size_t left : {before.size() + 1, before.size() + 30, after.size() - 1}) {
        testing::write_file(directory_ / ListFiles::kBinary, after.substr(0, left));
        testing::write_file(directory_ / ListFiles::kText, text_before + "13 00");
        Opened opened = open();
        EXPECT_EQ(opened.recovery.torn_bytes, left - before.size());
        EXPECT_EQ(opened.recovery.entries, 1u);
        EXPECT_TRUE(opened.recovery.foreign.empty());
        EXPECT_TRUE(binary() == before);
        EXPECT_EQ(text(), text_before);
    }
    {
        Opened opened = open();
        append(*opened.log, "next", "z");
    }
    expect_replay_equals_pcr();
}

TEST_F(MeasurementLogTest, ATornEntryIsRepairedFromTheText) {
    {
        Opened opened = open();
        append(*opened.log, "whole", "x");
    }
    append_to_list_alone("torn", std::string(100, 'y'));
    const std::string whole = binary();
    testing::write_file(directory_ / ListFiles::kBinary, whole.substr(0, whole.size() - 50));
    EXPECT_EQ(open().recovery.owed, 1u);
    EXPECT_TRUE(binary() == whole);
    expect_replay_equals_pcr();
}

TEST_F(MeasurementLogTest, TheTextFollowsTheBinaryList) {
    {
        Opened opened = open();
        append(*opened.log, "one", "x");
        append(*opened.log, "two", "y");
    }
    const std::string whole = text();
    // A death after the text's write and before the binary one; or in the middle of the text's.
    for (const std::string& left : {whole + "13 0000 a line too much\n", whole + "13 00",
                                    whole.substr(0, 20), std::string()}) {
        testing::write_file(directory_ / ListFiles::kText, left);
        Opened opened = open();
        EXPECT_EQ(text(), whole);
        EXPECT_EQ(opened.recovery.torn_bytes, 0u);
    }
    Opened opened = open();
    append(*opened.log, "three", "z");
    EXPECT_EQ(text(), text_of_binary());
}

TEST_F(MeasurementLogTest, SeesForeignExtendsAndGoesOnFromThem) {
    {
        Opened opened = open();
        append(*opened.log, "one", "1");
    }
    extend_behind_its_back();
    {
        Opened opened = open();
        ASSERT_TRUE(opened.recovery.foreign.contains(kPcr));
        EXPECT_EQ(opened.recovery.owed, 0u);
        const tpm::PcrValues found = opened.recovery.foreign[kPcr];
        EXPECT_EQ(found, opened.tpm->read_pcr(kPcr, opened.log->banks()).value());
        const records::Record record = records::foreign_record(kPcr, found);
        opened.log->adopt(kPcr, found);
        ASSERT_TRUE(opened.log->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf(record.name, record.buf)}}));
        append(*opened.log, "two", "2");
        EXPECT_TRUE(opened.log->foreign_extends().value().empty());
    }
    append_to_list_alone("owed", "3");
    Opened opened = open();
    EXPECT_TRUE(opened.recovery.foreign.empty());
    EXPECT_EQ(opened.recovery.owed, 1u);
    EXPECT_EQ(opened.log->values(kPcr), opened.tpm->read_pcr(kPcr, opened.log->banks()).value());
}

TEST_F(MeasurementLogTest, AResetBehindAForeignExtendIsForeignAgain) {
    append_to_list_alone("one", "1");
    (void)open();
    extend_behind_its_back();
    const auto append_foreign = [&](Opened& opened) {
        const tpm::PcrValues found = opened.recovery.foreign.at(kPcr);
        const records::Record record = records::foreign_record(kPcr, found);
        opened.log->adopt(kPcr, found);
        ASSERT_TRUE(opened.log->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf(record.name, record.buf)}}));
    };
    {
        Opened opened = open();
        append_foreign(opened);
    }
    // No extend leads from the PCR's start to what the foreign record tells.
    swtpm_.restart();
    Opened opened = open();
    ASSERT_TRUE(opened.recovery.foreign.contains(kPcr));
    EXPECT_EQ(opened.recovery.owed, 0u);
    append_foreign(opened);
    EXPECT_TRUE(opened.log->foreign_extends().value().empty());
    opened = {};
    EXPECT_TRUE(open().recovery.foreign.empty());
}

TEST_F(MeasurementLogTest, OwesTheExtendOfAForeignRecordToo) {
    {
        Opened opened = open();
        append(*opened.log, "one", "1");
    }
    extend_behind_its_back();
    const tpm::PcrValues found = open().recovery.foreign[kPcr];
    const records::Record record = records::foreign_record(kPcr, found);
    append_to_list_alone(record.name,
                         {reinterpret_cast<const char*>(record.buf.data()), record.buf.size()});
    Opened opened = open();
    EXPECT_TRUE(opened.recovery.foreign.empty());
    EXPECT_EQ(opened.recovery.owed, 1u);
    EXPECT_EQ(opened.log->values(kPcr), opened.tpm->read_pcr(kPcr, opened.log->banks()).value());
}

TEST_F(MeasurementLogTest, FindsForeignExtendsWhileItRuns) {
    Opened opened = open();
    append(*opened.log, "one", "1");
    tpm::PcrValues digests;
    for (const Algorithm bank : opened.log->banks())
        digests[bank] = hash(bank, as_bytes("foreign"));
    ASSERT_TRUE(opened.tpm->extend(kPcr, digests));
    const auto foreign = opened.log->foreign_extends();
    ASSERT_TRUE(foreign) << to_string(foreign.error());
    ASSERT_EQ(foreign->size(), 1u);
    EXPECT_EQ(foreign->at(kPcr), opened.tpm->read_pcr(kPcr, opened.log->banks()).value());
    opened.log->adopt(kPcr, foreign->at(kPcr));
    EXPECT_TRUE(opened.log->foreign_extends().value().empty());
}

TEST_F(MeasurementLogTest, ARemovedListIsForeignToThePcr) {
    {
        Opened opened = open();
        append(*opened.log, "one", "1");
    }
    for (const char* name : {ListFiles::kBinary, ListFiles::kText})
        std::filesystem::remove(directory_ / name);
    EXPECT_TRUE(open().recovery.foreign.contains(kPcr));
}

TEST_F(MeasurementLogTest, AListThatIsRemovedWhileItIsOpenIsPutBack) {
    std::string before;
    {
        Opened opened = open();
        append(*opened.log, "one", "1");
        before = binary();
        EXPECT_TRUE(opened.log->is_untouched());
        for (const char* name : {ListFiles::kBinary, ListFiles::kText})
            std::filesystem::remove(directory_ / name);
        EXPECT_FALSE(opened.log->is_untouched());
        const auto done = opened.log->append(
            std::array{NewEntry{kPcr, "ima-buf", list::encode_ima_buf("two", {})}});
        ASSERT_FALSE(done);
        EXPECT_FALSE(done.error().in_list);
        EXPECT_TRUE(opened.log->take_files().rescue());
    }
    EXPECT_TRUE(binary() == before);
    const Opened again = open();
    EXPECT_TRUE(again.recovery.foreign.empty());
    EXPECT_EQ(again.recovery.owed, 0u);
}

TEST_F(MeasurementLogTest, AnEntryOfAPcrThatNoTpmHasIsSaidAndTheRestGoesOn) {
    {
        auto opened = open();
        append(*opened.log, "ring", "one");
    }
    {
        auto files = ListFiles::open(directory_);
        ASSERT_TRUE(files);
        ASSERT_TRUE(files->append(
            std::array{NewEntry{24, "ima-buf", list::encode_ima_buf("ring", as_bytes("x"))}}));
    }
    auto opened = open();
    ASSERT_EQ(opened.recovery.tampered.size(), 1u);
    EXPECT_EQ(opened.recovery.tampered[0], "list: entry 1 names PCR 24, which no TPM has");
    append(*opened.log, "ring", "two");
    EXPECT_EQ(opened.log->entries(), 3u);
    expect_replay_equals_pcr();
}

/// PCR 10 beside an IMA that measures nothing: the kernel's own first entry is ours too.
TEST_F(MeasurementLogTest, TheKernelsAggregateBeginsTheList) {
    constexpr unsigned kImaPcr = 10;
    const std::string fixture =
        testing::read_file(FIXTURES "/lists/linux-6.1.192_binary_runtime_measurements");
    const auto entries = list::read_list(as_bytes(fixture)).value();
    const std::string alone = fixture.substr(0, entries[1].offset);
    std::uint64_t size = 0;
    {
        tpm::Tpm tpm = swtpm_.open();
        const auto banks = tpm.banks(kImaPcr).value();
        tpm::PcrValues values;
        for (const Algorithm bank : banks) values[bank] = list::extend_value(entries[0], bank);
        ASSERT_TRUE(tpm.extend(kImaPcr, values));

        Recovery recovery;
        auto log = MeasurementLog::open(directory_, tpm, kImaPcr, recovery).value();
        ASSERT_TRUE(recovery.foreign.contains(kImaPcr));
        tpm::PcrValues found = recovery.foreign[kImaPcr];
        const auto entry = kernels_aggregate(as_bytes(alone), kImaPcr, found);
        ASSERT_TRUE(entry);
        EXPECT_FALSE(kernels_aggregate(as_bytes(fixture), kImaPcr, found)) << "IMA measures more";
        EXPECT_FALSE(kernels_aggregate({}, kImaPcr, found));
        EXPECT_FALSE(kernels_aggregate(as_bytes(alone), 13, found));
        tpm::PcrValues other = found;
        other.begin()->second.bytes[0] ^= 1;
        EXPECT_FALSE(kernels_aggregate(as_bytes(alone), kImaPcr, other));

        log.adopt(kImaPcr, found);
        ASSERT_TRUE(log.append(std::array{*entry}));
        EXPECT_EQ(log.extends(), 0u);
        EXPECT_TRUE(log.foreign_extends().value().empty());
        append(log, "ring", "one", kImaPcr);
        EXPECT_TRUE(log.foreign_extends().value().empty());
        size = log.size();
    }
    EXPECT_EQ(binary().substr(0, alone.size()), alone);
    tpm::Tpm tpm = swtpm_.open();
    Recovery recovery;
    const auto again = MeasurementLog::open(directory_, tpm, kImaPcr, recovery, size);
    ASSERT_TRUE(again) << to_string(again.error());
    EXPECT_TRUE(recovery.foreign.empty());
    EXPECT_TRUE(recovery.tampered.empty());
    EXPECT_EQ(recovery.owed, 0u);
}

}  // namespace measurement_log_test
}  // namespace keyscribe::measure
