// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/policy_activation.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "controller/base/log.h"
#include "controller/host/daemon/baseline_taker.h"
#include "controller/host/settings/policy_loader.h"
#include "policy/filter_compiler.h"

namespace keyscribe::daemon {
namespace {

/// Moves the events of the policy's own generation out of `batch`, which keeps the former one's.
capture::Batch split_off(capture::Batch& batch, std::uint32_t generation) {
    capture::Batch newer;
    const auto is_former = [&](const events::KeyEvent& event) {
        return event.generation != generation;
    };
    const auto middle = std::ranges::stable_partition(batch.events, is_former).begin();
    newer.events.assign(std::make_move_iterator(middle),
                        std::make_move_iterator(batch.events.end()));
    batch.events.erase(middle, batch.events.end());
    return newer;
}

status::Reloaded outcome_of(const settings::LoadedPolicy& loaded, std::uint32_t generation) {
    status::Reloaded done{.generation = generation,
                          .digest = to_hex(records::policy_digest(loaded.files)),
                          .rules = loaded.policy.rules.size()};
    for (const auto& source : loaded.policy.sources) done.skipped += source.skipped;
    for (const auto& warning : loaded.policy.warnings)
        done.warnings.push_back(policy::headline(warning, "warning"));
    return done;
}

}  // namespace

PolicyActivation::PolicyActivation(CaptureLoop& loop, const settings::Config& config,
                                   spool::Spool& spool, status::SharedStatus& status)
    : loop_(loop), config_(config), spool_(spool), status_(status) {
    if (loop_.programs().is_adopted()) generation_ = loop_.programs().generation();
}

Result<status::Reloaded> PolicyActivation::load_and_activate() {
    auto found = settings::load_policy(config_.policy.directory);
    if (!found) return std::unexpected(found.error());
    if (!*found)
        return fail("there is no policy file", config_.policy.directory.string(),
                    generation_ == 0
                        ? "nothing is measured until there is one; a file without a rule will do"
                        : "the former policy stays in force; to measure nothing, leave a file "
                          "without a rule");
    if (auto done = settings::check_policy_pcrs(**found, config_.tpm.force_resettable_pcr); !done)
        return std::unexpected(done.error());

    const auto loaded = std::make_shared<const settings::LoadedPolicy>(std::move(**found));
    const std::uint32_t generation = generation_ + 1;
    const auto filter = policy::compile(loaded->policy, generation);
    if (!filter) return fail(filter.error(), config_.policy.directory.string());
    auto batch = loop_.programs().activate(**filter);
    if (!batch) return std::unexpected(batch.error());
    auto baseline =
        take_baseline(loop_.programs(), loaded->policy, generation_ == 0 ? "start" : "policy",
                      loop_.known_keyrings(), *batch);
    if (!baseline) {
        loop_.forward(std::move(*batch));
        return std::unexpected(baseline.error());
    }
    loop_.looked_at(*baseline);

    // First what the former policy let pass, then the change, then what the new one did.
    capture::Batch newer = split_off(*batch, generation);
    loop_.forward(std::move(*batch));
    spool_.push(spool::PolicyChange{
        loaded, generation, std::make_shared<const events::Baseline>(std::move(*baseline))});
    loop_.forward(std::move(newer));
    loop_.programs().forget_previous_build();
    loop_.watch(loaded);
    generation_ = generation;

    const status::Reloaded done = outcome_of(*loaded, generation);
    status_.update([&](status::Status& status) {
        status.policy = {.loaded = true,
                         .generation = generation,
                         .digest = done.digest,
                         .rules = done.rules,
                         .skipped = done.skipped,
                         .files = {},
                         .error = {}};
        for (const auto& source : loaded->policy.sources)
            status.policy.files.push_back(source.name);
    });
    log_event(LogLevel::kInfo,
              "policy " + std::to_string(generation) + " in force: " + std::to_string(done.rules) +
                  " rules",
              {{"KEYSCRIBE_POLICY_GENERATION", std::to_string(generation)},
               {"KEYSCRIBE_POLICY_DIGEST", done.digest}});
    for (const std::string& warning : done.warnings) spdlog::warn("{}", warning);
    return done;
}

Result<status::Reloaded> PolicyActivation::reload() {
    auto done = load_and_activate();
    if (!done) {
        const std::string why = to_string(done.error());
        log_event(LogLevel::kWarning, why, {{"KEYSCRIBE_POLICY_REFUSED", "1"}});
        status_.update([&](status::Status& status) { status.policy.error = why; });
    }
    return done;
}

/// Whoever replaces files leaves none for a moment: two looks in a row count.
void PolicyActivation::look_at_directory() {
    const bool none = generation_ != 0 && !settings::has_policy_file(config_.policy.directory);
    without_files_ = none ? without_files_ + 1 : 0;
    if (without_files_ == 2)
        loop_.report_interference(
            "the policy directory was emptied, the last policy stays in force: " +
            config_.policy.directory.string());
}

}  // namespace keyscribe::daemon
