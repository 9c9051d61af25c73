// SPDX-License-Identifier: Apache-2.0
#include "controller/host/status/status.h"

#include <fmt/format.h>

namespace keyscribe::status {
namespace {

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const std::string& part : parts) {
        if (!text.empty()) text += separator;
        text += part;
    }
    return text;
}

/// Longer than a slow TPM takes, its self-test included.
constexpr std::chrono::seconds kNoAnswer{5};

}  // namespace

std::string tpm_error(const Status& status) {
    if (!status.tpm.ready) return status.tpm.error.empty() ? "not asked yet" : status.tpm.error;
    if (!status.tpm.asked_since) return {};
    const auto waits = std::chrono::steady_clock::now() - *status.tpm.asked_since;
    if (waits < kNoAnswer) return {};
    return fmt::format("measuring has waited for its answer for {} s",
                       std::chrono::duration_cast<std::chrono::seconds>(waits).count());
}

std::vector<std::string> waiting_for(const Status& status) {
    std::vector<std::string> missing;
    if (!status.policy.loaded) missing.emplace_back("policy");
    if (!tpm_error(status).empty()) missing.emplace_back("tpm");
    if (!status.list_error.empty()) missing.emplace_back("list");
    return missing;
}

std::string state_name(const Status& status) {
    if (!waiting_for(status).empty()) return "waiting";
    return status.degraded.empty() ? "ready" : "degraded";
}

std::string summary(const Status& status) {
    const auto missing = waiting_for(status);
    std::string text = "capturing; ";
    if (!missing.empty())
        text += fmt::format("waiting for {}, {} events kept", join(missing, " and "),
                            status.spool.waiting);
    else
        text += fmt::format("{}: {} events measured, PCR {}", state_name(status),
                            status.counters.measured, status.tpm.pcr);
    if (status.counters.lost != 0) text += fmt::format(", {} events LOST", status.counters.lost);
    if (status.spool.dropped != 0) text += fmt::format(", {} events DROPPED", status.spool.dropped);
    return text;
}

nlohmann::json to_json(const Status& status) {
    using nlohmann::json;
    json hooks = json::array();
    for (const Hook& hook : status.hooks)
        hooks.push_back({{"operations", hook.operations},
                         {"attach_point", hook.attach_point},
                         {"why", hook.why}});
    const auto or_null = [](const std::string& text) {
        return text.empty() ? json(nullptr) : json(text);
    };
    return {
        {"version", status.version},
        {"state", state_name(status)},
        {"waiting_for", waiting_for(status)},
        {"idle", status.idle},
        {"degraded", status.degraded},
        {"kernel", status.kernel},
        {"boot_id", status.boot_id},
        {"since", status.since},
        {"hooks", hooks},
        {"policy",
         {{"loaded", status.policy.loaded},
          {"generation", status.policy.generation},
          {"digest", or_null(status.policy.digest)},
          {"rules", status.policy.rules},
          {"skipped", status.policy.skipped},
          {"files", status.policy.files},
          {"error", or_null(status.policy.error)}}},
        {"tpm",
         {{"ready", tpm_error(status).empty()},
          {"error", or_null(tpm_error(status))},
          {"pcr", status.tpm.pcr},
          {"values", status.tpm.values}}},
        {"list",
         {{"error", or_null(status.list_error)}, {"entries", status.counters.list_entries}}},
        {"spool", {{"error", or_null(status.spool.error)}}},
        {"journal", {{"error", or_null(status.journal_error)}}},
        {"counters",
         {{"captured", status.counters.captured},
          {"filtered", status.kernel_counters.filtered},
          {"numbered", status.kernel_counters.numbered},
          {"matched", status.counters.matched},
          {"unmatched", status.counters.unmatched},
          {"restored", status.spool.restored},
          {"measured", status.counters.measured},
          {"waiting", status.spool.waiting},
          {"waiting_bytes", status.spool.waiting_bytes},
          {"dropped", status.spool.dropped},
          {"lost", status.counters.lost},
          {"missed", status.kernel_counters.missed},
          {"no_room", status.kernel_counters.no_room},
          {"extends", status.counters.extends},
          {"journal_failed", status.counters.journal_failed}}},
    };
}

std::string to_prometheus(const Status& status) {
    std::string text;
    const auto metric = [&text](std::string_view name, std::string_view type, std::string_view help,
                                std::uint64_t value) {
        text +=
            fmt::format("# HELP keyscribe_{0} {2}\n# TYPE keyscribe_{0} {1}\nkeyscribe_{0} {3}\n",
                        name, type, help, value);
    };
    metric("ready", "gauge", "1 when policy, TPM and list are ready.", waiting_for(status).empty());
    metric("degraded", "gauge", "1 when the list is less than a proof.", !status.degraded.empty());
    metric("policy_generation", "gauge", "Policies loaded since the start.",
           status.policy.generation);
    metric("events_captured_total", "counter", "Events received from the kernel.",
           status.counters.captured);
    metric("events_restored_total", "counter", "Events that a former process left unmeasured.",
           status.spool.restored);
    metric("events_filtered_total", "counter", "Operations that no rule can match, not sent.",
           status.kernel_counters.filtered);
    metric("events_matched_total", "counter", "Events that a measure rule decided.",
           status.counters.matched);
    metric("events_unmatched_total", "counter", "Events that no measure rule decided.",
           status.counters.unmatched);
    metric("events_measured_total", "counter", "Events in the list and extended into the PCR.",
           status.counters.measured);
    metric("events_waiting", "gauge", "Events that wait for policy or TPM.", status.spool.waiting);
    metric("events_waiting_bytes", "gauge", "Memory that waiting events take.",
           status.spool.waiting_bytes);
    metric("events_dropped_total", "counter", "Events given up while waiting.",
           status.spool.dropped);
    metric("events_lost_total", "counter", "Events that the ring had no room for.",
           status.counters.lost);
    metric("programs_missed_total", "counter", "Runs that the kernel skipped.",
           status.kernel_counters.missed);
    metric("payloads_without_room_total", "counter",
           "Events whose payload the ring had no room for.", status.kernel_counters.no_room);
    metric("list_entries", "gauge", "Entries of the measurement list.",
           status.counters.list_entries);
    metric("extends_total", "counter", "TPM2_PCR_Extend commands.", status.counters.extends);
    metric("journal_failed_total", "counter", "Lines that the event journal could not take.",
           status.counters.journal_failed);
    return text;
}

}  // namespace keyscribe::status
