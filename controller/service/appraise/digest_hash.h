// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>

#include "controller/base/digest.h"

namespace keyscribe::appraise {

/// For hash tables whose keys are digests already.
struct DigestHash {
    std::size_t operator()(const Sha256& digest) const {
        std::size_t value;
        std::memcpy(&value, digest.data(), sizeof value);
        return value;
    }
};

}  // namespace keyscribe::appraise
