// SPDX-License-Identifier: Apache-2.0
// The BPF programs that are built into this binary: loading them, attaching them, and finding them
// where a former process left them attached.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/capture/hook_plan.h"
#include "controller/host/capture/pins.h"

namespace keyscribe::capture {

/// Returns where the programs of this build, of `plan` and of a ring of `ring_size` bytes are
/// pinned.
std::filesystem::path pin_directory_of(const HookPlan& plan, std::uint32_t ring_size);

/// Returns the set in `directory`, if it is there and complete. What is not complete is put aside,
/// for PreviousBuilds, and told in `findings`.
std::optional<PinnedSet> adopt_programs(const std::filesystem::path& directory,
                                        const HookPlan& plan, std::vector<std::string>& findings);

/// Loads the programs of the plan, and attaches them; their numbers begin behind `first`. `kernel`:
/// the running kernel's types.
/// `loaded`, if any, is called in between. What libbpf says is added to `warnings`. Error: the
/// kernel refused a program, or cannot attach it.
Result<PinnedSet> load_programs(const HookPlan& plan, const KernelBtf& kernel,
                                std::uint32_t ring_size, std::uint64_t first,
                                const std::function<void()>& loaded,
                                std::vector<std::string>& warnings);

/// Returns the kernel's id of a map; 0: it cannot be asked.
std::uint32_t map_id(int fd);

/// Returns how many runs of a program the kernel skipped; 0 where it cannot be asked.
std::uint64_t skipped_runs(int fd);

/// Returns the programs of which what is open as their link is none, or another's.
std::vector<std::string> wrong_links(const PinnedSet& set);

/// Waits until every program that was running has returned.
void wait_for_programs();

}  // namespace keyscribe::capture
