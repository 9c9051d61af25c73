// SPDX-License-Identifier: Apache-2.0
// The list and the PCR behind a TPM that answers late, or with errors: a software TPM and the whole
// stack, with a TCTI in between (tests/guest/tcti-fault).
#include <gtest/gtest.h>

#include <thread>

#include "controller/measure/measurement_log.h"
#include "controller/measure/template_data.h"
#include "controller/measurer.h"
#include "support.h"

namespace keyscribe {
namespace {

using namespace std::chrono_literals;
using measure::as_bytes;

constexpr unsigned kPcr = 13;

class FaultyTpmTest : public ::testing::Test {
  protected:
    std::string tcti(unsigned delay = 0) const {
        return std::string(TCTI_FAULTY) + ":delay=" + std::to_string(delay) +
               "ms,control=" + (directory_ / "faults").string() + ':' + swtpm_.tcti();
    }
    void inject(const std::string& what) { testing::write_file(directory_ / "faults", what); }

    measure::Tpm open() {
        auto tpm = measure::Tpm::open(tcti());
        if (!tpm) throw std::runtime_error(to_string(tpm.error()));
        return std::move(*tpm);
    }

    void expect_replay_equals_pcr() {
        const auto banks = swtpm_.open().banks(kPcr).value();
        const std::string list = testing::read_file(directory_ / measure::ListFiles::kBinary);
        measure::Replay replay(banks);
        const auto entries = measure::read_list(as_bytes(list)).value();
        for (const auto& entry : entries) replay.add(entry);
        for (const auto bank : banks)
            EXPECT_EQ(swtpm_.pcrread(kPcr, bank), measure::to_hex(replay.value(kPcr, bank)));
    }

    testing::Swtpm swtpm_;
    testing::TempDir directory_;
};

TEST_F(FaultyTpmTest, IsAskedAgainWhereItWantsThat) {
    measure::Tpm tpm = open();
    const auto banks = tpm.banks(kPcr).value();
    for (const char* what : {"retry 3", "testing 6", "yielded 2", "retry 20"}) {
        inject(what);
        measure::PcrValues digests;
        for (const auto bank : banks) digests[bank] = measure::hash(bank, as_bytes(what));
        const auto done = tpm.extend(kPcr, digests);
        EXPECT_TRUE(done) << what << ": " << to_string(done.error());
    }
}

TEST_F(FaultyTpmTest, OtherErrorsLeaveAnExtendOwed) {
    for (const char* what : {"lockout 1", "failure 2"}) {
        {
            measure::Tpm tpm = open();
            measure::Recovery recovery;
            auto log = measure::MeasurementLog::open(directory_, tpm, kPcr, recovery);
            ASSERT_TRUE(log);
            inject(what);
            const auto done = log->append(std::array{
                measure::NewEntry{kPcr, "ima-buf", measure::encode_ima_buf(what, as_bytes("x"))}});
            ASSERT_FALSE(done);
            EXPECT_TRUE(done.error().in_list);
            inject("none 0");
        }
        {
            measure::Tpm tpm = open();
            measure::Recovery recovery;
            ASSERT_TRUE(measure::MeasurementLog::open(directory_, tpm, kPcr, recovery));
            EXPECT_EQ(recovery.owed, 1u);
            EXPECT_TRUE(recovery.foreign.empty());
        }
        expect_replay_equals_pcr();
    }
}

/// The measuring thread with events of its own, until all of them are measured.
struct Outcome {
    double seconds = 0;
    Status status;
};

Outcome measure_events(const std::string& tcti, const std::filesystem::path& directory, unsigned count,
                   const std::string& rule) {
    Config config;
    config.tpm.tcti = tcti;
    config.list.directory = directory;
    config.journal.enabled = false;
    config.tpm.pcr = kPcr;
    Spool spool(config.spool.max_size, config.spool.deadline);
    SharedStatus shared;
    auto loaded = policy_of({{"10.policy", rule + "\n"}});
    if (!loaded) throw std::runtime_error(to_string(loaded.error()));
    spool.push(PolicyChange{std::make_shared<const LoadedPolicy>(std::move(*loaded)), 1});
    for (unsigned i = 1; i <= count; ++i) {
        KeyEvent event;
        event.sequence = i;
        event.key_type = "asymmetric";
        event.keyring.name = "ring";
        event.description = std::to_string(i);
        event.payload.assign(100, static_cast<std::uint8_t>(i));
        event.payload_length = 100;
        spool.push(std::move(event));
    }
    const auto start = std::chrono::steady_clock::now();
    std::jthread thread([&](std::stop_token stop) {
        run_measurer({config, spool, shared, {.version = "test"}}, stop);
    });
    while (shared.copy().counters.measured < count) std::this_thread::sleep_for(1ms);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return {took.count(), shared.copy()};
}

TEST_F(FaultyTpmTest, ManyRecordsShareAnExtendWhileTheTpmIsSlow) {
    const Outcome run = measure_events(tcti(10), directory_, 5000, "measure func=KEY_CHECK");
    // One each would be 5000 and more, and 50 s.
    EXPECT_LT(run.status.counters.extends, 100u);
    EXPECT_LT(run.seconds, 30.0);  // a bound that no load of this machine breaks
    RecordProperty("seconds", std::to_string(run.seconds));
    expect_replay_equals_pcr();
}

TEST_F(FaultyTpmTest, ARuleCanDemandAnExtendEach) {
    const Outcome run = measure_events(tcti(1), directory_, 200, "measure func=KEY_CHECK commit=each");
    EXPECT_GE(run.status.counters.extends, 200u);
    expect_replay_equals_pcr();
}

TEST_F(FaultyTpmTest, NothingIsLostWhateverItAnswers) {
    inject("failure 7");
    const Outcome run = measure_events(tcti(), directory_, 100, "measure func=KEY_CHECK");
    EXPECT_EQ(run.status.counters.measured, 100u);
    EXPECT_TRUE(run.status.degraded.empty());
    expect_replay_equals_pcr();
}

}  // namespace
}  // namespace keyscribe
