// SPDX-License-Identifier: Apache-2.0
// What a measurement list says of keyrings, and which rules of its policy concern each.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/keyrings/keyring_model.h"
#include "policy/rule.h"

namespace keyscribe::cli {

/// The list and what it says.
struct KeyringView {
    std::vector<std::uint8_t> list;
    keyrings::KeyringModel model;
    policy::Policy policy;  ///< the last one in the list
    std::uint64_t entries = 0;
    std::int64_t now = std::time(nullptr);
};

/// Reads the list up to the event with the sequence number `at`.
/// Error: the file cannot be read, or the list is malformed; `view` is of no use then.
Result<void> read_view(const std::string& path, std::uint64_t at, KeyringView& view);

/// The rules that measure what happens in the keyring, and those that measure what happens in the
/// keyrings above it, in which a search goes on in this one.
std::vector<const policy::Rule*> rules_for(const KeyringView& view, keyrings::KeyId keyring);

/// The keyrings that rules are for, by name; or those with this name or serial.
std::vector<keyrings::KeyId> watched_keyrings(const KeyringView& view, const std::string& only);

}  // namespace keyscribe::cli
