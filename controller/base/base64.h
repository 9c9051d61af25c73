// SPDX-License-Identifier: Apache-2.0
// Base64 without line breaks: RFC 4648, section 4, with padding; and section 5, for URLs and JOSE,
// without.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::base {

std::string to_base64(Bytes bytes);

/// Nothing where `text` is not the one encoding of some bytes.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text);

/// The same of section 5: '-' and '_' in place of '+' and '/', and no padding.
std::string to_base64url(Bytes bytes);
std::optional<std::vector<std::uint8_t>> from_base64url(std::string_view text);

}  // namespace keyscribe::base
