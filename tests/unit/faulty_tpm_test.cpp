// SPDX-License-Identifier: Apache-2.0
// The list and the PCR behind a TPM that answers late, or with errors: a software TPM and the whole
// stack, with a TCTI in between (tests/guest/tcti-fault).
#include <gtest/gtest.h>

#include "controller/host/measure/measurement_log.h"
#include "controller/list/cbor.h"
#include "controller/list/template_data.h"
#include "controller/list/unfold.h"
#include "measure_events.h"
#include "support.h"

namespace keyscribe {
namespace faulty_tpm_test {

using testing::measure_events;
using testing::Outcome;

constexpr unsigned kPcr = 13;

class FaultyTpmTest : public ::testing::Test {
  protected:
    std::string tcti(unsigned delay = 0) const {
        return std::string(TCTI_FAULTY) + ":delay=" + std::to_string(delay) +
               "ms,control=" + (directory_ / "faults").string() + ':' + swtpm_.tcti();
    }
    void inject(const std::string& what) { testing::write_file(directory_ / "faults", what); }

    tpm::Tpm open() {
        auto tpm = tpm::Tpm::open(tcti());
        if (!tpm) throw std::runtime_error(to_string(tpm.error()));
        return std::move(*tpm);
    }

    void expect_replay_equals_pcr() {
        const auto banks = swtpm_.open().banks(kPcr).value();
        const std::string list = testing::read_file(directory_ / measure::ListFiles::kBinary);
        list::Replay replay(banks);
        const auto entries = list::read_list(as_bytes(list)).value();
        for (const auto& entry : entries) replay.add(entry);
        for (const auto bank : banks)
            EXPECT_EQ(swtpm_.pcrread(kPcr, bank), to_hex(replay.value(kPcr, bank)));
    }

    testing::Swtpm swtpm_;
    testing::TempDir directory_;
};

TEST_F(FaultyTpmTest, IsAskedAgainWhereItWantsThat) {
    tpm::Tpm tpm = open();
    const auto banks = tpm.banks(kPcr).value();
    for (const char* what : {"retry 3", "testing 6", "yielded 2", "retry 20"}) {
        inject(what);
        tpm::PcrValues digests;
        for (const auto bank : banks) digests[bank] = hash(bank, as_bytes(what));
        const auto done = tpm.extend(kPcr, digests);
        EXPECT_TRUE(done) << what << ": " << to_string(done.error());
    }
}

TEST_F(FaultyTpmTest, OtherErrorsLeaveAnExtendOwed) {
    for (const char* what : {"lockout 1", "failure 2"}) {
        {
            tpm::Tpm tpm = open();
            measure::Recovery recovery;
            auto log = measure::MeasurementLog::open(directory_, tpm, kPcr, recovery);
            ASSERT_TRUE(log);
            inject(what);
            const auto done = log->append(std::array{
                measure::NewEntry{kPcr, "ima-buf", list::encode_ima_buf(what, as_bytes("x"))}});
            ASSERT_FALSE(done);
            EXPECT_TRUE(done.error().in_list);
            inject("none 0");
        }
        {
            tpm::Tpm tpm = open();
            measure::Recovery recovery;
            ASSERT_TRUE(measure::MeasurementLog::open(directory_, tpm, kPcr, recovery));
            EXPECT_EQ(recovery.owed, 1u);
            EXPECT_TRUE(recovery.foreign.empty());
        }
        expect_replay_equals_pcr();
    }
}

TEST_F(FaultyTpmTest, ManyRecordsShareAnExtendWhileTheTpmIsSlow) {
    const Outcome run = measure_events(tcti(10), directory_, 5000, "measure func=KEY_CHECK");
    // One each would be 5000 and more, and 50 s. A batch has at most 4,096 bytes, 14 of these.
    EXPECT_LT(run.status.counters.extends, 400u);
    EXPECT_LT(run.seconds, 30.0);  // a bound that no load of this machine breaks
    RecordProperty("seconds", std::to_string(run.seconds));
    expect_replay_equals_pcr();
}

TEST_F(FaultyTpmTest, ARuleCanDemandAnExtendEach) {
    const Outcome run =
        measure_events(tcti(1), directory_, 200, "measure func=KEY_CHECK commit=each");
    EXPECT_GE(run.status.counters.extends, 200u);
    expect_replay_equals_pcr();
}

/// What the newest keyscribe:tpm entry of the list says, and how many there are.
std::pair<nlohmann::json, unsigned> told_of_tpm(const std::string& list) {
    std::pair<nlohmann::json, unsigned> told;
    const auto read = list::for_each_record(as_bytes(list), [&](const list::LogicalRecord& record) {
        if (record.name != "keyscribe:tpm") return;
        told.first = list::from_cbor(record.buf).value();
        ++told.second;
    });
    if (!read) throw std::runtime_error(to_string(read.error()));
    return told;
}

TEST_F(FaultyTpmTest, AResetIsNoticedRecordedAndMadeGood) {
    const std::string rule = "measure func=KEY_CHECK";
    const auto list = [&] { return testing::read_file(directory_ / measure::ListFiles::kBinary); };
    EXPECT_TRUE(measure_events(tcti(), directory_, 20, rule).status.degraded.empty());
    // The same TPM, and another daemon.
    EXPECT_TRUE(measure_events(tcti(), directory_, 20, rule).status.degraded.empty());
    EXPECT_EQ(told_of_tpm(list()).second, 0u);
    swtpm_.restart();
    EXPECT_EQ(measure_events(tcti(), directory_, 20, rule).status.degraded,
              std::vector<std::string>{"the TPM was reset while the system runs"});
    EXPECT_EQ(told_of_tpm(list()).second, 1u);
    expect_replay_equals_pcr();

    const auto done = testing::run("tpm2_pcrallocate -T " + swtpm_.tcti() +
                                   " sha1:none+sha256:all+sha384:none+sha512:none");
    ASSERT_EQ(done.status, 0) << done.text;
    swtpm_.restart();
    EXPECT_EQ(measure_events(tcti(), directory_, 20, rule).status.degraded.size(), 1u);
    const auto [told, count] = told_of_tpm(list());
    EXPECT_EQ(count, 2u);
    EXPECT_EQ(told["tpm"]["banks"], nlohmann::json::array({"sha256"}));
    EXPECT_TRUE(told["what"].get<std::string>().ends_with(" to sha256")) << told;
    expect_replay_equals_pcr();
    // It was said.
    EXPECT_TRUE(measure_events(tcti(), directory_, 20, rule).status.degraded.empty());
}

TEST_F(FaultyTpmTest, NothingIsLostWhateverItAnswers) {
    inject("failure 3");  // each time it is asked later
    const Outcome run = measure_events(tcti(), directory_, 100, "measure func=KEY_CHECK");
    EXPECT_EQ(run.status.counters.measured, 100u);
    EXPECT_TRUE(run.status.degraded.empty());
    expect_replay_equals_pcr();
}

}  // namespace faulty_tpm_test
}  // namespace keyscribe
