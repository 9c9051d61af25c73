// SPDX-License-Identifier: Apache-2.0
#include "controller/base/seeded_hash.h"

#include <sys/random.h>

#include <cstdlib>

#include "controller/base/siphash.h"

namespace keyscribe::base {
namespace {

/// getrandom(2) of 16 bytes fails on no kernel that can run this; a table without a seed is not an
/// answer.
SipKey make_seed() {
    SipKey seed;
    if (::getrandom(seed.data(), sizeof(seed), 0) != sizeof(seed)) std::abort();
    return seed;
}

const SipKey& hash_seed() {
    static const SipKey seed = make_seed();
    return seed;
}

}  // namespace

std::size_t seeded_hash(Bytes bytes) { return siphash(hash_seed(), bytes); }

std::size_t seeded_hash(std::uint64_t number) {
    return siphash(hash_seed(), {reinterpret_cast<const std::uint8_t*>(&number), sizeof(number)});
}

}  // namespace keyscribe::base
