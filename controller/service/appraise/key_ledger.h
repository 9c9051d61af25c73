// SPDX-License-Identifier: Apache-2.0
// Which key stood in which keyring from when to when, as far as a list tells.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/service/appraise/references.h"

namespace keyscribe::appraise {

/// What makes a key that key, as far as it is known. Views into the list.
struct Material {
    std::optional<Sha256> digest;      ///< SHA-256 of its payload
    std::optional<Sha256> key_digest;  ///< SHA-256 of subjectPublicKey's bytes
    Bytes certificate;                 ///< DER: the payload, or the matching reference's; or empty
    Bytes public_key;                  ///< subjectPublicKey's bytes; or empty
    std::string_view algorithm;        ///< as the kernel names it, where only public_key is known
    std::vector<Bytes> ids;            ///< the kernel's asymmetric key identifiers, likewise
    const Reference* reference = nullptr;  ///< the one that it was matched with
    bool by_certificate = false;           ///< and whether the whole certificate is the same
    bool has_payload = false;
};

using MaterialId = std::uint32_t;
using RingId = std::uint32_t;
inline constexpr std::uint64_t kStill = UINT64_MAX;

/// A key in a keyring, for a time.
struct Presence {
    RingId ring = 0;
    MaterialId material = 0;
    std::int64_t serial = 0;  ///< 0: not told
    std::uint64_t since = 0;  ///< number of the entry
    std::uint64_t until = kStill;
    std::uint64_t confirmed = 0;  ///< the entry that last said that it is there
    bool baseline = false;        ///< it was there when the recording began, or began again
    bool judged = false;          ///< its type and keyring are such that it must be known
};

class KeyLedger {
  public:
    explicit KeyLedger(const ReferenceValues& references) : references_(references) {}

    RingId ring(std::string_view name);
    const std::string& ring_name(RingId ring) const { return ring_names_[ring]; }

    /// By the payload, of which only the digest may be known (empty payload). `fresh`: not seen
    /// yet.
    MaterialId by_payload(const Sha256& digest, Bytes payload, bool& fresh);
    MaterialId by_public_key(Bytes public_key, std::string_view algorithm, std::vector<Bytes> ids);
    std::optional<MaterialId> by_serial(std::int64_t serial) const;
    const Material& material(MaterialId id) const { return materials_[id]; }
    std::size_t materials() const { return materials_.size(); }

    /// The key is in the keyring from `entry` on, and displaces one of the same type and
    /// description. True: it was not there before.
    bool put(const Presence& key, std::string_view index_key);
    void remove(RingId ring, std::int64_t serial, std::uint64_t entry);
    void remove_everywhere(std::int64_t serial, std::uint64_t entry);
    void clear(RingId ring, std::uint64_t entry);
    /// What is in the keyring and was not put there since `since` is gone: a baseline is complete.
    void forget_unconfirmed(RingId ring, std::uint64_t since, std::uint64_t entry);

    const std::vector<Presence>& presences() const { return presences_; }

  private:
    using Index = std::uint32_t;
    struct PairHash {
        std::size_t operator()(const std::pair<std::uint32_t, std::int64_t>& pair) const {
            return std::hash<std::uint64_t>()(std::uint64_t{pair.first} * 0x9e3779b97f4a7c15u ^
                                              static_cast<std::uint64_t>(pair.second));
        }
    };
    using PairIndex = std::unordered_map<std::pair<std::uint32_t, std::int64_t>, Index, PairHash>;
    void end(Index presence, std::uint64_t entry);
    void match(Material& material) const;

    const ReferenceValues& references_;
    std::vector<std::string> ring_names_;
    std::unordered_map<std::string_view, RingId> rings_;  // views into the list
    std::pair<std::string_view, RingId> last_ring_;
    std::vector<Material> materials_;
    std::unordered_map<Sha256, MaterialId, DigestHash> payloads_, public_keys_;
    std::unordered_map<std::int64_t, MaterialId> serials_;
    std::vector<Presence> presences_;
    PairIndex by_serial_, by_material_;  // (ring, serial), (ring, material): still there
    std::map<std::pair<RingId, std::string>, Index> by_description_;
    std::unordered_map<std::int64_t, std::vector<Index>> of_serial_;
    std::vector<std::vector<Index>> of_ring_;
};

}  // namespace keyscribe::appraise
