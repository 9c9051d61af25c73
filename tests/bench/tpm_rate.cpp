// SPDX-License-Identifier: Apache-2.0
// tpm_rate: events that are measured in a second by a TPM that takes so much longer for each
// command, with group commit and with one extend for each record. The whole stack and swtpm run,
// with tests/guest/tcti-fault in between.
#include <cstdio>
#include <string>

#include "tests/unit/measure_events.h"
#include "tests/unit/support.h"

namespace {

using namespace keyscribe::testing;

constexpr unsigned kEvents = 5000;

Outcome measure(unsigned delay, unsigned events, const std::string& rule) {
    const Swtpm swtpm;
    const TempDir directory;
    const std::string tcti =
        std::string(TCTI_FAULTY) + ":delay=" + std::to_string(delay) + "ms:" + swtpm.tcti();
    const Outcome outcome = measure_events(tcti, directory, events, rule);
    if (!outcome.status.degraded.empty()) throw std::runtime_error(outcome.status.degraded[0]);
    return outcome;
}

}  // namespace

int main() {
    std::printf("%u events of 100 bytes (2 records each), all there at once\n", kEvents);
    std::printf("%8s | %9s %9s %8s | %9s %9s | %6s\n", "ms more", "grouped/s", "seconds", "extends",
                "each/s", "seconds", "ratio");
    for (const unsigned delay : {0u, 1u, 5u, 10u, 20u}) {
        // One extend each: so few that a row takes seconds.
        const unsigned some = kEvents / (10 + 4 * delay);
        const Outcome grouped = measure(delay, kEvents, "measure func=KEY_CHECK");
        const Outcome each = measure(delay, some, "measure func=KEY_CHECK commit=each");
        const double rate = kEvents / grouped.seconds, single = some / each.seconds;
        std::printf("%8u | %9.0f %9.2f %8llu | %9.0f %9.2f | %6.0f\n", delay, rate, grouped.seconds,
                    static_cast<unsigned long long>(grouped.status.counters.extends), single,
                    kEvents / single, rate / single);
        std::fflush(stdout);
    }
}
