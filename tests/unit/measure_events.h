// SPDX-License-Identifier: Apache-2.0
// The recorder, with a TPM and a list, and events that nobody captured.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "controller/host/measure/recorder.h"
#include "controller/host/settings/policy_loader.h"

namespace keyscribe::testing {

struct Outcome {
    double seconds = 0;
    status::Status status;
};

/// Until all of `count` events, which are there at once, are measured by `rule`.
inline Outcome measure_events(const std::string& tcti, const std::filesystem::path& directory,
                              unsigned count, const std::string& rule) {
    settings::Config config;
    config.tpm.tcti = tcti;
    config.list.directory = directory;
    config.journal.enabled = false;
    spool::Spool spool(config.spool.max_size, config.spool.deadline);
    status::SharedStatus shared;
    auto loaded = settings::policy_of({{"10.policy", rule + "\n"}});
    if (!loaded) throw std::runtime_error(to_string(loaded.error()));
    spool.push(
        spool::PolicyChange{std::make_shared<const settings::LoadedPolicy>(std::move(*loaded)), 1});
    for (unsigned i = 1; i <= count; ++i) {
        events::KeyEvent event;
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
        measure::run_recorder({config,
                               spool,
                               shared,
                               {.version = "test",
                                .controller_digest = std::vector<std::uint8_t>(32),
                                .bpf_digest = std::vector<std::uint8_t>(32)}},
                              std::move(stop));
    });
    while (shared.copy().counters.measured < count)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return {took.count(), shared.copy()};
}

}  // namespace keyscribe::testing
