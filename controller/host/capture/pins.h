// SPDX-License-Identifier: Apache-2.0
// What of Keyscribe stands in the BPF file system and so outlives the daemon: a folder for each
// set of programs, named after what they are, with their maps, programs and links.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"

namespace keyscribe::capture {

inline constexpr const char* kPinDirectory = "/sys/fs/bpf/keyscribe";

/// What another build has to know of a set of programs to read their ring and their variables.
struct About {
    std::uint32_t version = 1;         ///< of this struct
    std::uint32_t event_version = 0;   ///< KS_EVENT_VERSION
    std::uint32_t ring_size = 0;       ///< bytes
    std::uint32_t variables_size = 0;  ///< of the map "variables", bytes
    std::uint32_t sequence = 0;        ///< offset in it: u64, the last number given out
    std::uint32_t lost = 0;            ///< offset in it: u64, KS_COUNT_LOST
    std::uint64_t first = 0;           ///< numbers begin behind this one
};

/// Descriptors of everything that is pinned in one folder.
struct PinnedSet {
    std::filesystem::path directory;
    About about;
    UniqueFd about_map;  ///< has it; made while the daemon may still make maps
    UniqueFd ring;
    UniqueFd variables;  ///< .bss of the programs, as an array map of one element
    std::map<std::string, UniqueFd> programs;  ///< by name
    std::map<std::string, UniqueFd> links;     ///< by their program's name
};

/// Returns a map of one element that has the struct. Needs CAP_BPF.
Result<UniqueFd> make_about_map(const About& about);

/// Opens everything that is pinned in the folder. Error: something is missing or makes no sense.
Result<PinnedSet> open_pinned(const std::filesystem::path& directory);

/// Pins the whole set. The folder appears as a whole or not at all.
Result<void> pin(const PinnedSet& set);

/// Returns the folders of all pinned sets.
std::vector<std::filesystem::path> pinned_sets();

/// Removes the folder. The programs stay attached while a process has their links open. Error: not
/// permitted.
Result<void> unpin(const std::filesystem::path& directory);

/// Returns the names of what the set has and its folder lacks.
std::vector<std::string> missing_pins(const PinnedSet& set);

}  // namespace keyscribe::capture
