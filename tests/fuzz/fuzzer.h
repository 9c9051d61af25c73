// SPDX-License-Identifier: Apache-2.0
// All fuzzers are one program, which does what the one does by whose name it is called: to compile
// and link each by itself took three minutes of a processor.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keyscribe::testing {

/// What libFuzzer calls with each input. It aborts where something is wrong.
using Fuzz = void (*)(const std::uint8_t* data, std::size_t size);

/// Makes `fuzz` known as `name`, that of its file.
struct Fuzzer {
    Fuzzer(const char* name, Fuzz fuzz);
};

}  // namespace keyscribe::testing
