// SPDX-License-Identifier: Apache-2.0
// Deterministic CBOR: RFC 8949, section 4.2.1.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::list {

/// Integers and lengths in their shortest form, map keys in the bytewise order of their encodings
/// (shorter ones first). `value` has no floats; byte strings are json::binary without a subtype.
std::vector<std::uint8_t> to_cbor(const nlohmann::json& value);

/// Error: not CBOR, or not in the one form that to_cbor() gives it.
Result<nlohmann::json> from_cbor(Bytes encoded);

/// A byte string of any bytes.
nlohmann::json cbor_bytes(Bytes bytes);

}  // namespace keyscribe::list
