// SPDX-License-Identifier: Apache-2.0
// The media types in which a host may send evidence: alone, or in a record of a conceptual message
// wrapper (CMW, draft-ietf-rats-msg-wrap): an array of the media type, the evidence, and an
// indicator that need not be there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::verifier {

inline constexpr std::string_view kEvidenceType = "application/vnd.keyscribe.evidence+cbor";
/// In the order in which they are preferred.
const std::vector<std::string>& accepted_types();

/// The evidence in `body`; it lies in `body` or in `storage`. Error: no such wrapper, or of
/// something else.
Result<Bytes> unwrap_evidence(std::string_view media_type, Bytes body,
                              std::vector<std::uint8_t>& storage);

}  // namespace keyscribe::verifier
