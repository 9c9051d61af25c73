// SPDX-License-Identifier: Apache-2.0
// What a key is, as far as a list tells, and which reference value it matches. Where it stands the
// KeyringModel knows.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/service/appraise/references.h"

namespace keyscribe::appraise {

/// What makes a key that key. Views into the list.
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
inline constexpr MaterialId kNoMaterial = UINT32_MAX;

class Materials {
  public:
    explicit Materials(const ReferenceValues& references) : references_(references) {}

    /// By the payload, of which only the digest may be known (empty payload).
    MaterialId by_payload(const Sha256& digest, Bytes payload);
    MaterialId by_public_key(const Sha256& key_digest, Bytes public_key, std::string_view algorithm,
                             const std::vector<Bytes>& ids);
    const Material& operator[](MaterialId id) const { return materials_[id]; }
    std::size_t size() const { return materials_.size(); }

    /// The certificates that this key may have in the keyring: where only the public key is known,
    /// or its certificate is a reference value, those of all reference values with it that may
    /// stand there, in no order that decides anything; else its own.
    std::vector<Bytes> certificates_of(const Material& material, std::string_view ring) const;

  private:
    void match(Material& material) const;

    const ReferenceValues& references_;
    std::deque<Material> materials_;  // a vector that grows would take three times their memory
    std::unordered_map<Sha256, MaterialId, base::SeededHash> payloads_, public_keys_;
};

}  // namespace keyscribe::appraise
