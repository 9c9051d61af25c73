// SPDX-License-Identifier: Apache-2.0
// What every keyring holds, and held, as records tell it: the one answer to "who stands where". The
// semantics are the kernel's (security/keys/keyring.c, key.c; keyrings(7)):
// - a keyring holds one key of each type and description: another one that comes in displaces it.
//   But of those that network namespaces tell apart it holds several, and the list does not say
//   which one is displaced: its end is told, or a baseline lacks it;
// - which operations put a key into a keyring, take it out, or empty a keyring: KS_OPERATIONS in
//   bpf/event.h;
// - a key that is revoked, invalidated or expired stands there until the kernel's garbage collector
//   takes it out, without a word: it stays here, with its mark and the place where it died;
// - a destroyed key stands nowhere, and a destroyed keyring holds nothing.
// Keyrings are told apart by serial, never by name; one that has another owner was given to them,
// with what it holds. A key that gets another payload is
// another key here, and so is one whose serial is used again: it inherits nothing.
// A baseline replaces what its keyrings hold. An event of a later time outweighs it; one of an
// earlier time adds nothing: what it put there is remembered as having been there, no more. A
// keyring that a baseline says is gone is destroyed there.
#pragma once

#include <compare>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controller/base/seeded_hash.h"
#include "controller/list/record.h"
#include "controller/list/unfold.h"

namespace keyscribe::keyrings {

using KeyId = std::uint32_t;  ///< a keyring is a key of type "keyring"
using LinkId = std::uint32_t;
inline constexpr std::uint32_t kNone = UINT32_MAX;

/// Where in the list something stands.
struct Place {
    std::uint32_t entry = kNone;  ///< kNone: nowhere, or not yet
    std::uint32_t index = 0;      ///< in the entry
    auto operator<=>(const Place&) const = default;
};

/// Bytes of the list: a record has less than 16 MiB (list_reader.h).
struct Extent {
    std::uint64_t offset : 40 = 0;
    std::uint64_t size : 24 = 0;  ///< 0: none
};

/// A text that many share; the model owns it.
struct Interned {
    const std::string* text = nullptr;
    operator std::string_view() const { return text ? *text : std::string_view(); }
    bool empty() const { return text == nullptr || text->empty(); }
};

struct Actor {
    std::uint32_t pid = 0, uid = 0, euid = 0, login_uid = UINT32_MAX;
    std::string comm, exe, kind;
};

struct Key {
    std::int32_t serial = 0;  ///< 0: the list does not tell (a payload without a record)
    std::uint32_t uid = 0, gid = 0, perm = 0;
    Interned type;                ///< empty: the list does not tell
    std::string description;      ///< any bytes
    std::int64_t expiry = 0;      ///< seconds since 1970; 0: never
    std::uint64_t time = 0;       ///< of the last record about it
    std::uint64_t seen = 0;       ///< of the last baseline's record about it
    std::uint64_t looked_at = 0;  ///< of a keyring: when the last baseline of what it holds began
    std::optional<std::uint32_t>
        former_uid;              ///< of a keyring: root, or its first owner, who gave it away
    Place died;                  ///< where it was revoked, invalidated, ...; kNone: it lives
    std::uint64_t sequence = 0;  ///< of the last event about it
    Extent payload;              ///< in the list
    Extent public_key;           ///< subjectPublicKey's bytes, in the list, where a record has them
    Interned algorithm;          ///< of public_key
    Interned withheld;           ///< why there is no payload
    std::optional<Sha256> sha256;                    ///< of the payload
    std::unique_ptr<const Sha256> fingerprint;       ///< SHA-256 of public_key
    std::unique_ptr<const std::string> restriction;  ///< of a keyring
    std::int32_t error = 0;                          ///< of a negative key
    std::uint8_t marks = 0;                          ///< Mark bits
    bool used = false;                               ///< the slot is
    bool told = false;          ///< a record is about it; else it was named as a keyring only
    bool owner_known = false;   ///< uid is told
    bool baselined = false;     // a keyring that is being told
    LinkId first_held = kNone;  ///< of a keyring: the newest in it
    LinkId first_link = kNone;  ///< to it
    KeyId next_serial = kNone;

    bool is_keyring() const { return std::string_view(type) == "keyring"; }
    bool is_live() const { return (marks & list::kDestroyed) == 0; }
};

/// A key in a keyring, for a time.
struct Link {
    KeyId key = kNone, keyring = kNone;
    Place since, until;                  ///< until: nowhere while it stands
    Place from;                          ///< since; or where the baseline began that tells of it
    std::uint64_t sequence = 0;          ///< of the event that put it there; 0: none
    std::uint64_t time = 0;              ///< then; CLOCK_BOOTTIME in ns; 0: the list does not tell
    std::unique_ptr<const Actor> actor;  ///< who put it there, where the record says so
    list::Operation how = list::Operation::kPayload;  ///< kBaseline: it was there before
    list::Operation end =
        list::Operation::kPayload;  ///< what took it out; kCreate, ...: it was displaced
    bool stands = false;
    bool confirmed = false;                           // by the baseline that is being told
    LinkId next_held = kNone, previous_held = kNone;  // of the keyring
    LinkId next_link = kNone, previous_link = kNone;  // of the key
};

/// Not thread-safe. Never throws but for memory.
class KeyringModel {
  public:
    enum class History { kKeep, kForget };
    /// kForget: what is over (links, destroyed keys) takes no memory, and ever_held() is what
    /// stands: for a model that lives as long as the daemon.
    explicit KeyringModel(History history = History::kKeep) : history_(history) {}
    KeyringModel(const KeyringModel&) = delete;
    KeyringModel& operator=(const KeyringModel&) = delete;

    /// The next record of the list, whatever it is about.
    /// Error: a malformed one, or one whose plain entry is not before it; it changed nothing else.
    /// Or a list that was made to be slow: from there on no record is taken.
    Result<void> feed(const list::LogicalRecord& record);

    /// A plain entry waits for the record that says whose it is: the list ends here. feed() goes on
    /// all the same.
    void finish();

    /// The same of a record that was parsed already, views into `source`.
    Result<void> apply(const list::Record& record, const list::LogicalRecord& source);

    /// What the last record changed, besides what it says of `key`.
    struct Changes {
        KeyId key = kNone;  ///< that it is about
        std::vector<LinkId> began, ended;
    };
    const Changes& changes() const { return changes_; }

    const Key& key(KeyId id) const { return keys_[id]; }
    const Link& link(LinkId id) const { return links_[id]; }
    /// The live key of that serial; kNone where there is none.
    KeyId find(std::int32_t serial) const;
    /// Keyrings that are not destroyed.
    std::vector<KeyId> keyrings() const;
    std::vector<KeyId> keyrings_named(std::string_view name) const;
    /// What stands in the keyring, oldest first.
    std::vector<LinkId> contents(KeyId keyring) const;
    /// The links to the key that stand.
    std::vector<LinkId> holders(KeyId key) const;
    /// Calls `each(LinkId)` for the links to the key that stand, newest first.
    template <class Each>
    void for_each_holder(KeyId key, Each each) const {
        for (LinkId id = keys_[key].first_link; id != kNone; id = links_[id].next_link) each(id);
    }
    /// Whether the key stands there and both it and the keyring are of use. `now`: seconds since
    /// 1970.
    bool holds(const Link& link, std::int64_t now) const;
    /// Where it ended, or the key's or keyring's life did; kNone: it goes on.
    Place end_of(const Link& link) const;
    /// All links that there ever were into the keyring, oldest first.
    std::vector<LinkId> ever_held(KeyId keyring) const;
    /// All that there ever were, by number; of those with a keyring of kNone the slot is free.
    std::size_t links() const { return links_.size(); }
    std::size_t keys() const { return keys_.size(); }

    /// `now`: seconds since 1970.
    static bool is_expired(const Key& key, std::int64_t now);
    /// Revoked, invalidated, expired or destroyed: the kernel hands it out no more.
    static bool is_dead(const Key& key, std::int64_t now);

  private:
    struct IndexKey {
        KeyId keyring;
        std::string_view type, description;
        const Sha256* digest;     // of keys without a serial: what else tells them apart
        std::int32_t serial = 0;  // the same where network namespaces do (base/network_keys.h)
    };
    struct IndexHash {
        using is_transparent = void;
        const KeyringModel* model;
        std::size_t operator()(const IndexKey& key) const;
        std::size_t operator()(LinkId id) const;
    };
    struct IndexEqual {
        using is_transparent = void;
        const KeyringModel* model;
        bool operator()(LinkId left, LinkId right) const { return left == right; }
        bool operator()(const IndexKey& left, LinkId right) const;
        bool operator()(LinkId left, const IndexKey& right) const { return (*this)(right, left); }
    };
    struct Pending {
        std::string name;
        Sha256 digest{};
        Place place;
        Extent payload;
    };
    /// What a record, of whichever kind, says of a key, and where the list has its bytes.
    struct Told {
        const list::KeyFacts& key;
        std::optional<Sha256> fingerprint;  // of key.public_key
        list::Operation operation;
        const list::Event* event;  // nullptr: a baseline
        Place place;
        Extent payload, public_key;
    };
    /// How and when a link began.
    struct Beginning {
        list::Operation how = list::Operation::kPayload;
        std::uint64_t sequence = 0, time = 0;
        const std::optional<list::ActorView>* actor = nullptr;
    };

    IndexKey index_key(const Link& link) const;
    Interned intern(std::string_view text);
    KeyId new_key(std::int32_t serial, std::string_view type, std::string_view description);
    std::size_t chain_of(std::int32_t serial) const;
    void bind(KeyId key);
    void unbind(KeyId key);
    KeyId keyring_of(const list::KeyringName& name);
    KeyId keyring_named(std::string_view name);
    KeyId holder_of(const list::KeyFacts& facts);
    void set_owner(KeyId keyring, std::uint32_t uid);
    KeyId key_of(const Told& told);
    KeyId renewed(KeyId key, const Told& told);
    void describe(Key& key, const Told& told);
    LinkId find_link(KeyId keyring, KeyId key) const;
    LinkId new_link(KeyId keyring, KeyId key, const Beginning& beginning, Place place);
    LinkId put(KeyId keyring, KeyId key, const Beginning& beginning, Place place);
    void put_former(KeyId keyring, KeyId key, const Beginning& beginning, Place place);
    void end(LinkId link, list::Operation how, Place place);
    void clear(KeyId keyring, list::Operation how, Place place);
    void destroy(KeyId key, Place place);
    void put_plain();
    Result<Extent> take_payload(const list::Event& event);
    void apply_event(const list::Event& event, const Told& told);
    void leave_source(const list::Event& event, KeyId key, Place place);
    void mark(Key& key, const list::Event& event, Place place);
    void end_kernel(Place place);
    void spend(std::size_t links);
    std::size_t count_holders(KeyId key) const;
    void begin_baseline(const list::BaselineBegin& begin, Place place);
    void apply_baseline(const list::Baseline& baseline, const Told& told);
    void end_baseline(Place place);
    void remember_removal(const Link& link, std::uint64_t time);

    // How many links may be looked at. A record about a key costs the sender a hundred bytes and
    // brings 64 more; what looks at a keyring's or a key's links anew each time spends them.
    // Without this, 64 MiB of records are followed for hours.
    static constexpr std::size_t kFirstCredit = 4'000'000, kCreditOfRecord = 64;

    History history_;
    std::size_t credit_ = kFirstCredit;
    KeyId first_of_kernel_ = 0;  // keys before it are of a kernel before the last kexec
    std::unordered_set<std::string, base::SeededHash> texts_;
    std::deque<Key> keys_;
    std::deque<Link> links_;
    std::vector<KeyId> free_keys_;
    std::vector<LinkId> free_links_;
    using Names = std::unordered_map<std::string, KeyId, base::SeededHash, std::equal_to<>>;
    Names named_;                 // keyrings, the latest of each name
    Names unknown_;               // those without a serial
    std::vector<KeyId> serials_;  // chains of live keys by serial, through Key::next_serial
    std::size_t bound_ = 0;       // keys in them
    std::unordered_set<LinkId, IndexHash, IndexEqual> standing_{0, IndexHash{this},
                                                                IndexEqual{this}};
    std::optional<Pending> pending_;

    std::vector<KeyId> baseline_;  // the keyrings that are being told
    std::uint64_t baseline_time_ = 0;
    Place baseline_place_;
    // Keyring and key, by serial: when.
    std::unordered_map<std::uint64_t, std::uint64_t, base::SeededHash> removed_;
    std::uint64_t now_ = 0;  // of the record that is applied
    Place place_;            // its
    Changes changes_;
};

}  // namespace keyscribe::keyrings
