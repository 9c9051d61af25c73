// SPDX-License-Identifier: Apache-2.0
// Base64: RFC 4648, section 4, with padding and without line breaks.
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

}  // namespace keyscribe::base
