// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/libbpf_message.h"

#include <cstdio>

namespace keyscribe::capture {

std::string libbpf_message(const char* format, va_list arguments, std::size_t limit) {
    va_list again;
    va_copy(again, arguments);
    const int size = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (size < 0) return format;
    std::string text(static_cast<std::size_t>(size) + 1, '\0');
    std::vsnprintf(text.data(), text.size(), format, arguments);
    text.pop_back();
    while (text.ends_with('\n')) text.pop_back();
    if (text.size() <= limit) return text;
    std::size_t begin = text.size() - limit;
    if (const auto line = text.find('\n', begin); line != text.npos) begin = line + 1;
    return "...\n" + text.substr(begin);
}

}  // namespace keyscribe::capture
