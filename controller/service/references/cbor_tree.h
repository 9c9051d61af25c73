// SPDX-License-Identifier: Apache-2.0
// CBOR of others (RFC 8949) as a tree, with tags and numbers as keys: manifests come in other forms
// than the deterministic one that list/cbor.h reads.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

struct CborNode {
    enum class Kind { kUint, kNegative, kBytes, kText, kArray, kMap, kTag, kOther };
    Kind kind = Kind::kOther;
    std::uint64_t number = 0;        ///< of kNegative: -1 - it; the tag's
    Bytes content;                   ///< of kBytes and kText: views into the input
    std::vector<CborNode> children;  ///< of maps: key, value, key, ...; of tags: what is tagged
    std::size_t offset = 0;          ///< in the input

    bool is(Kind wanted) const { return kind == wanted; }
    std::string_view text() const { return as_text(content); }
    /// The member of a map with this number as its key; nullptr: none, or not a map.
    const CborNode* member(std::uint64_t key) const;
    /// What is tagged with this tag; nullptr: it is not.
    const CborNode* tagged(std::uint64_t tag) const;
};

/// `input` is one item from end to end. Indefinite lengths are refused, and a map with a key twice.
/// `base`: added to the offsets, where the input stands in another.
Result<CborNode> parse_cbor_tree(Bytes input, const std::string& where, std::size_t base = 0);

}  // namespace keyscribe::references
