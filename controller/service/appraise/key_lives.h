// SPDX-License-Identifier: Apache-2.0
// Lives of keys in a list: which of them nobody misses where an equal one is kept.
//
// A life is all records about one key, from the one that puts it into a keyring, as the first that
// has its serial, to the one that destroys it. It can go if
// - it is whole: no record of another key, and no baseline, came upon it, and none of its own
//   changed anything else in the model: not a key that it displaced, not a keyring that became
//   known, or got an owner, by it. So without it the model is the same from its end on. Nor did
//   another policy come into force;
// - it stood in one keyring, once;
// - an equal one is kept: the same operations, attributes, content, keyring, owner of that keyring
//   then, and effects; and no keyring got another owner in between. Only times, serials, sequence
//   numbers, expiry and who did it may differ, of which no finding about a key that stands no more
//   depends. So each finding about it is one about the other, too;
// - chains of trust (chain.h) are no worse without it. As one that was signed: at its beginning the
//   same keys of type "asymmetric" stood, by the same links, as when the equal one began, and none
//   of them died in between. As a signer: nothing that it could have signed came while it stood.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/keyrings/keyring_model.h"

namespace keyscribe::appraise {

class KeyLives {
  public:
    /// The model is about to take the record.
    void before(const keyrings::KeyringModel& model, const list::Record& record);

    /// The model took it, which stands in list entry `entry`. `items`: the caller's numbers for it,
    /// and for its payload. `alone`: the record before these is not a payload that waits for its
    /// own. Returns the numbers of a life that ended and can go, or nothing.
    std::vector<std::size_t> after(const keyrings::KeyringModel& model, const list::Record& record,
                                   std::uint64_t entry, const std::vector<std::size_t>& items,
                                   bool alone);

  private:
    struct Life {
        std::vector<std::size_t> items;
        std::string signature;
        bool whole = true;
        std::uint64_t standing = 0;  ///< what stood when it began: see standing()
        std::uint64_t began = 0;     ///< how many links had begun, with its own
        std::uint64_t ended = 0;     ///< the same when it left its keyring
        std::size_t links = 0;
        bool asymmetric = false;
    };

    std::uint64_t standing() const { return base::seeded_hash(standing_ ^ epoch_ << 32); }
    void disturb(keyrings::KeyId key);
    void disturb_named(const keyrings::KeyringModel& model, const list::KeyringName& ring,
                       std::int32_t own);
    void note_owner(const keyrings::KeyringModel& model, std::int32_t serial,
                    std::optional<std::uint32_t> uid);
    static bool is_settled(const keyrings::KeyringModel& model, const list::KeyringName& ring);
    void count_links(const keyrings::KeyringModel& model, keyrings::KeyId own);
    void sign(const keyrings::KeyringModel& model, const list::Event& event, Life& life) const;
    std::vector<std::size_t> close(const keyrings::Key& key, Life& life);

    std::unordered_map<keyrings::KeyId, Life> lives_;  // that go on
    /// By digest of the signature: what stood when those began that are kept.
    std::unordered_map<Sha256, std::set<std::uint64_t>, base::SeededHash> kept_;
    std::uint64_t standing_ = 0;  // of the links of asymmetric keys that stand: a sum of hashes
    std::uint64_t epoch_ = 0;     // goes on where such a key, or a keyring, may have died
    std::uint64_t began_ = 0;     // links to keys that are no keyrings
    std::uint64_t owners_ = 0;    // goes on where a keyring is given to another owner
    std::optional<std::uint64_t> policy_entry_;  // of the last policy
    bool in_baseline_ = false;
    // Of the record that the model is about to take:
    keyrings::KeyId known_ = keyrings::kNone;
    std::size_t keys_ = 0;
    std::uint64_t stood_ = 0;
    bool settled_ = false;
};

}  // namespace keyscribe::appraise
