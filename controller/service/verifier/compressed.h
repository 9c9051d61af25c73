// SPDX-License-Identifier: Apache-2.0
// Bytes as a column of type text holds them: zlib's format (RFC 1950), in Base64.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::verifier {

std::string compressed(Bytes bytes);

/// Appends to `to`. False where `text` is no such thing.
bool decompress(std::string_view text, std::vector<std::uint8_t>& to);

}  // namespace keyscribe::verifier
