// SPDX-License-Identifier: Apache-2.0
// Hashes for tables whose keys other people chose. std::hash is the same in every process, and for
// numbers it is the number: whoever sends 100,000 keys of one bucket makes each look-up walk all of
// them. This one is SipHash with a key that is made up when the process starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "controller/base/digest.h"

namespace keyscribe::base {

std::size_t seeded_hash(Bytes bytes);
std::size_t seeded_hash(std::uint64_t number);

/// For std::unordered_map and std::unordered_set; a std::string can be looked up by a view.
struct SeededHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return seeded_hash({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }
    std::size_t operator()(const Sha256& digest) const { return seeded_hash(Bytes(digest)); }
    std::size_t operator()(std::uint64_t number) const { return seeded_hash(number); }
};

}  // namespace keyscribe::base
