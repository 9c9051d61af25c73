// SPDX-License-Identifier: Apache-2.0
#include "controller/service/firmware/replay.h"

#include <algorithm>

namespace keyscribe::firmware {

std::optional<PcrArray> replay(const EventLog& log, Algorithm bank) {
    PcrArray values;
    for (unsigned pcr = 0; pcr < kPcrs; ++pcr) {
        const bool dynamic = pcr >= 17 && pcr <= 22;  // PFP, 3.3.4: these begin as ones
        values[pcr] = filled(bank, dynamic ? 0xff : 0);
    }
    values[0].bytes[values[0].size - 1] = log.locality;
    for (const Event& event : log.events) {
        if (!event.extends()) continue;
        const Bytes digest = event.digest(bank);
        if (digest.empty()) return std::nullopt;
        values[event.pcr] = hash(bank, values[event.pcr], digest);
    }
    return values;
}

namespace {

/// In this order; which of them there are depends on the initrd and on how far the boot is.
constexpr std::string_view kPhases[] = {"enter-initrd", "leave-initrd", "sysinit",
                                        "ready",        "shutdown",     "final"};

bool reaches(Algorithm bank, const Digest& from, const Digest& value, std::size_t next) {
    if (from == value) return true;
    for (; next < std::size(kPhases); ++next)
        if (reaches(bank, hash(bank, from, hash(bank, as_bytes(kPhases[next]))), value, next + 1))
            return true;
    return false;
}

}  // namespace

bool is_behind_phases(Algorithm bank, const Digest& plain, const Digest& value) {
    return reaches(bank, plain, value, 0);
}

bool has_os_separator(unsigned pcr) { return pcr <= 7 || pcr == 9 || (pcr >= 12 && pcr <= 14); }

Digest behind_os_separator(Algorithm bank, const Digest& value) {
    return hash(bank, value, hash(bank, as_bytes("os-separator")));
}

}  // namespace keyscribe::firmware
