// SPDX-License-Identifier: Apache-2.0
// A record of the measurement list as one line for people: when, what, in which keyring, which key,
// who.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controller/list/record.h"

namespace keyscribe::cli {

/// Bytes of others' (names, descriptions, paths) are printable.
struct RecordLine {
    std::uint64_t time = 0;  ///< CLOCK_BOOTTIME in ns; 0: the record has none
    std::string what;        ///< the operation, or the record's kind
    std::string keyring;
    std::string text;                       ///< the key; of other records what they tell
    std::string who;                        ///< empty: the record does not say
    std::optional<std::uint64_t> sequence;  ///< of an operation
    bool warns = false;  ///< something was not seen, or is not as the daemon left it
};

RecordLine record_line(const list::Record& record);

/// "PROGRAM (pid N, uid N)". `program` is printable.
std::string actor_text(std::string_view program, std::uint32_t pid, std::uint32_t uid);

}  // namespace keyscribe::cli
