// SPDX-License-Identifier: Apache-2.0
// The recorder is killed at each of its fault points, again and again, with a software TPM:
// afterwards each event is in the list exactly once and in order, and list and PCR agree. The
// points at which the ring is read need a kernel: tests/guest/faults.sh.
#include <gtest/gtest.h>

#include <sstream>

#include "controller/host/measure/list_writer.h"
#include "controller/list/list_reader.h"
#include "controller/list/unfold.h"
#include "support.h"

namespace keyscribe {
namespace crash_test {

class CrashTest : public ::testing::TestWithParam<const char*> {};

TEST_P(CrashTest, EachEventIsMeasuredExactlyOnceWhereverItDies) {
    constexpr unsigned kDeaths = testing::kStep == 1 ? 25 : 5;
    const testing::Swtpm swtpm;
    const testing::TempDir directory;
    const auto output = testing::run(std::string(RECORDER_DEATHS) + ' ' + swtpm.tcti() + ' ' +
                                     directory.path().string() + ' ' + GetParam() + ' ' +
                                     std::to_string(kDeaths) + " 2>/dev/null");
    ASSERT_EQ(output.status, 0) << output.text;
    // The last line; those before are the recorder's log.
    const std::string text = output.text.substr(0, output.text.find_last_not_of('\n') + 1);
    std::istringstream words(text.substr(text.rfind('\n') + 1));
    std::uint64_t issued = 0;
    unsigned killed = 0;
    words >> issued >> killed;
    EXPECT_EQ(killed, kDeaths);

    const std::string list = testing::read_file(directory / "list/" / measure::ListFiles::kBinary);
    std::uint64_t expected = 1;
    const auto read = list::for_each_record(as_bytes(list), [&](const list::LogicalRecord& record) {
        EXPECT_NE(record.name, "keyscribe:foreign");
        EXPECT_NE(record.name, "keyscribe:tampered");
        if (record.name != "ring") return;
        const std::string number(record.buf.begin(), record.buf.end());
        EXPECT_EQ(number, std::to_string(expected));
        ++expected;
    });
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_EQ(expected, issued + 1);

    constexpr unsigned kPcr = 13;
    const auto banks = swtpm.open().banks(kPcr).value();
    list::Replay replay(banks);
    const auto entries = list::read_list(as_bytes(list));
    ASSERT_TRUE(entries) << to_string(entries.error());
    for (const auto& entry : *entries) replay.add(entry);
    for (const auto bank : banks)
        EXPECT_EQ(swtpm.pcrread(kPcr, bank), to_hex(replay.value(kPcr, bank)));
}

std::string test_name(const ::testing::TestParamInfo<const char*>& point) {
    std::string name;
    bool begins_word = true;
    for (const char* at = point.param; *at != 0; ++at) {
        if (*at == '-') {
            begins_word = true;
            continue;
        }
        name += begins_word ? static_cast<char>(std::toupper(*at)) : *at;
        begins_word = false;
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(FaultPoints, CrashTest,
                         ::testing::Values("before-spool-write", "after-spool-write",
                                           "before-commit", "before-list-append", "after-list-text",
                                           "after-list-append", "after-extend", "before-journal",
                                           "after-commit", "before-spool-cleared", "random"),
                         test_name);

}  // namespace crash_test
}  // namespace keyscribe
