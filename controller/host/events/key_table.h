// SPDX-License-Identifier: Apache-2.0
// What the daemon remembers of keys: which keyrings hold them, since an operation on a key is
// reported for all of those, and what asymmetric keys were made from, since the kernel forgets it.
// Who stands where it cannot ask keyrings::KeyringModel, which knows what the list has: a policy
// may come to name a keyring of which no rule wanted anything before. Both move keys as
// KS_OPERATIONS in bpf/event.h says, and tests/unit/key_table_model_test.cpp compares them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::events {

class KeyTable {
  public:
    /// `max_material`: bytes of payloads that are kept; the oldest go first.
    explicit KeyTable(std::size_t max_material) : max_material_(max_material) {}

    /// Fills in an event that carries only a serial (setperm, chown) with type, description, ids
    /// and permissions from the table; a special serial becomes the real one.
    void complete(KeyEvent& event) const;

    /// Returns the keyrings that hold the key.
    std::vector<KeyringName> holders(std::int32_t key) const;

    /// Returns the keyrings in which a search comes to this one: those that hold it, those that
    /// hold these, and so on, as deep as the kernel searches.
    std::vector<KeyringName> above(std::int32_t keyring) const;

    /// Returns the keyring's name; nullptr where no event named it.
    const std::string* keyring_name(std::int32_t serial) const;

    /// Returns the uid of the keyring's owner; UINT32_MAX: not known.
    std::uint32_t owner(std::int32_t keyring) const;

    /// Returns what the event's key was made from; nullptr where that was not seen, or is not kept.
    const WipedBytes* material(const KeyEvent& event) const;

    /// Applies what happened, in the order of the list.
    void take(const KeyEvent& event);
    void take(const Baseline& baseline);

    /// Returns how many keys the baseline's keyrings hold that the table has not there, and the
    /// other way round; what a keyring that is gone held has vanished.
    Difference difference(const Baseline& baseline) const;

    /// Returns the serial of the key that stands there; 0: none does.
    std::int32_t key_at(std::int32_t keyring, std::size_t index) const;

    std::size_t keys() const { return keys_.size(); }

  private:
    struct Key {
        std::string type;
        std::string description;
        std::uint32_t uid = 0;
        std::uint32_t gid = 0;
        std::uint32_t perm = 0;
        std::int64_t expiry = 0;
        std::vector<std::int32_t> keyrings;
    };
    struct Keyring {
        std::string name;
        std::uint32_t uid = UINT32_MAX;
        // By key_index().
        std::unordered_map<std::size_t, std::int32_t> members;
    };
    struct Material {
        std::string description;
        WipedBytes payload;
    };

    void put(const KeyEvent& event, const KeyringName& keyring);
    void remove(std::int32_t key, std::int32_t keyring);
    void empty(std::int32_t keyring);
    void destroy(std::int32_t key);
    void update_facts(const KeyEvent& event);
    void keep_material(const KeyEvent& event);

    std::unordered_map<std::int32_t, Key> keys_;
    std::unordered_map<std::int32_t, Keyring> keyrings_;
    std::unordered_map<std::int32_t, Material> material_;
    std::deque<std::int32_t> material_order_;
    std::size_t material_bytes_ = 0;
    std::size_t max_material_;
};

}  // namespace keyscribe::events
