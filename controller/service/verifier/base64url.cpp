// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/base64url.h"

#include <algorithm>

#include "controller/base/base64.h"

namespace keyscribe::verifier {

std::string to_base64url(Bytes bytes) {
    std::string text = base::to_base64(bytes);
    while (text.ends_with('=')) text.pop_back();
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return text;
}

std::optional<std::vector<std::uint8_t>> from_base64url(std::string_view text) {
    if (text.find_first_of("+/=") != text.npos) return std::nullopt;
    std::string padded(text);
    std::ranges::replace(padded, '-', '+');
    std::ranges::replace(padded, '_', '/');
    while (padded.size() % 4 != 0) padded += '=';
    return base::from_base64(padded);
}

}  // namespace keyscribe::verifier
