// SPDX-License-Identifier: Apache-2.0
// How the page words numbers, times, digests and names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controller/evidence/evidence.h"
#include "controller/service/report/html.h"
#include "controller/service/report/key_view.h"

namespace keyscribe::report {

/// "1 key", "12,345 keys".
std::string count(std::uint64_t number, std::string_view one);
std::string grouped(std::uint64_t number);

/// "2026-11-24 21:00:07 UTC"; seconds since 1970. Empty where no calendar has it.
std::string utc(std::int64_t seconds);
std::string day(std::int64_t seconds);
/// "3 d 4 h 12 min", "12.345 s".
std::string duration(std::uint64_t milliseconds);

/// When a moment of CLOCK_BOOTTIME (ns) was, by the host's own clock. Nothing where it does not
/// say.
std::optional<std::int64_t> wall_clock(const evidence::Evidence* evidence, std::uint64_t boot_time);

/// A digest: all of it there to be selected, and on a screen cut short by the style.
Html digest(Bytes bytes);
/// All of it, over as many lines as it takes.
Html long_digest(Bytes bytes);
Html long_digest(std::string_view hex);

/// A name that the host chose: isolated from its neighbours, and cut after some 120 bytes; it says
/// how many there are.
Html name(std::string_view text);
/// All of it.
Html whole_name(std::string_view text);

Html badges(const std::vector<Badge>& badges);

}  // namespace keyscribe::report
