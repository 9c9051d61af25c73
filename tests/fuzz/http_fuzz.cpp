// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a request's head, and as an answer: refused, or of a form that the routes may
// rely on.
#include <cstdlib>

#include "controller/host/control/http.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace http_fuzz {

void fuzz(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto head = control::parse_head(text);
        head &&
        (head->method.empty() || !head->path.starts_with('/') ||
         head->path.find_first_of(" \r\n") != head->path.npos || head->body > control::kMaxBody))
        std::abort();
    if (const auto answer = control::parse_answer(text); answer && answer->body.size() > size)
        std::abort();
}

const testing::Fuzzer kFuzzer("http_fuzz", fuzz);

}  // namespace http_fuzz
}  // namespace keyscribe
