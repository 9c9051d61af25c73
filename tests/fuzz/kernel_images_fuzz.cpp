// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as kernel-images.json: refused with a place, or read whole.
#include <cstdlib>

#include "controller/service/appraise/kernel_images.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace kernel_images_fuzz {

void fuzz(const std::uint8_t* data, std::size_t size) {
    const auto read = appraise::KernelImages::parse(Bytes(data, size), "f");
    if (!read && read.error().where.empty()) std::abort();
    if (read && read->size() > size) std::abort();
}

const testing::Fuzzer kFuzzer("kernel_images_fuzz", fuzz);

}  // namespace kernel_images_fuzz
}  // namespace keyscribe
