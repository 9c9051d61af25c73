// SPDX-License-Identifier: Apache-2.0
// GUIDs as UEFI keeps them in memory (UEFI 2.10, appendix A) and as people write them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/digest.h"

namespace keyscribe::firmware {

using GuidBytes = std::array<std::uint8_t, 16>;

/// "d719b2cb-3d3a-4596-a3bc-dad00e67656f", in either case. Nothing where it is none.
std::optional<GuidBytes> guid_of_text(std::string_view text);

/// In lower case. `guid` has 16 bytes.
std::string text_of_guid(Bytes guid);

}  // namespace keyscribe::firmware
