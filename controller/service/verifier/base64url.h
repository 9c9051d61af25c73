// SPDX-License-Identifier: Apache-2.0
// Base64 for URLs and tokens: RFC 4648, section 5, without padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::verifier {

std::string to_base64url(Bytes bytes);

/// Nothing where `text` is not the one encoding of some bytes.
std::optional<std::vector<std::uint8_t>> from_base64url(std::string_view text);

}  // namespace keyscribe::verifier
