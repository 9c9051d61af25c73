// SPDX-License-Identifier: Apache-2.0
// The JSON form of evidence, and what both forms share. evidence.h is the interface.
#pragma once

#include "controller/evidence/evidence.h"

namespace keyscribe::evidence {

inline constexpr std::string_view kFormat = "keyscribe-evidence";
inline constexpr std::uint64_t kVersion = 1;

Result<Document> decode_json(Bytes input);

/// Error: something else, or of a version that is not known.
Result<void> check_format(std::string_view format, std::uint64_t version);

/// The bounds of every member. Error: `where` names the member.
Result<void> check(const Evidence& evidence);

}  // namespace keyscribe::evidence
