// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as kernel-images.json: refused with a place, or read whole.
#include <cstdlib>

#include "controller/service/appraise/kernel_images.h"

using namespace keyscribe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto read = appraise::KernelImages::parse(Bytes(data, size), "f");
    if (!read && read.error().where.empty()) std::abort();
    if (read && read->size() > size) std::abort();
    return 0;
}
