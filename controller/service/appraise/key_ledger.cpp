// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/key_ledger.h"

namespace keyscribe::appraise {

RingId KeyLedger::ring(std::string_view name) {
    if (!ring_names_.empty() && last_ring_.first == name) return last_ring_.second;
    const auto [found, fresh] = rings_.try_emplace(name, static_cast<RingId>(ring_names_.size()));
    if (fresh) {
        ring_names_.emplace_back(name);
        of_ring_.emplace_back();
    }
    last_ring_ = *found;
    return found->second;
}

void KeyLedger::match(Material& material) const {
    const std::vector<std::uint32_t>* found = nullptr;
    if (material.digest) found = references_.by_certificate(*material.digest);
    material.by_certificate = found != nullptr;
    if (found == nullptr && material.key_digest)
        found = references_.by_public_key(*material.key_digest);
    if (found == nullptr) return;
    material.reference = &references_.all()[found->front()];
    if (!material.certificate.empty()) return;
    material.certificate = material.reference->view.der;
    material.public_key = material.reference->view.public_key;
    material.key_digest = material.reference->key_digest;
}

MaterialId KeyLedger::by_payload(const Sha256& digest, Bytes payload, bool& fresh) {
    const auto [found, is_new] =
        payloads_.try_emplace(digest, static_cast<MaterialId>(materials_.size()));
    fresh = is_new;
    if (!is_new) return found->second;
    Material material{.digest = digest, .has_payload = true};
    match(material);  // a reference value was taken apart when it was loaded
    if (material.reference == nullptr)
        if (const auto view = keyrings::view_certificate(payload)) {
            material.certificate = payload;
            material.public_key = view->public_key;
            material.key_digest = sha256(view->public_key);
            match(material);
        }
    materials_.push_back(std::move(material));
    return found->second;
}

MaterialId KeyLedger::by_public_key(Bytes public_key, std::string_view algorithm,
                                    std::vector<Bytes> ids) {
    const Sha256 digest = sha256(public_key);
    const auto [found, fresh] =
        public_keys_.try_emplace(digest, static_cast<MaterialId>(materials_.size()));
    if (!fresh) return found->second;
    Material material{.key_digest = digest,
                      .public_key = public_key,
                      .algorithm = algorithm,
                      .ids = std::move(ids)};
    match(material);
    materials_.push_back(std::move(material));
    return found->second;
}

std::optional<MaterialId> KeyLedger::by_serial(std::int64_t serial) const {
    const auto found = serials_.find(serial);
    return found == serials_.end() ? std::nullopt : std::optional(found->second);
}

void KeyLedger::end(Index index, std::uint64_t entry) {
    Presence& presence = presences_[index];
    if (presence.until != kStill) return;
    presence.until = entry;
    const auto forget = [index](PairIndex& map, RingId ring, std::int64_t second) {
        const auto found = map.find({ring, second});
        if (found != map.end() && found->second == index) map.erase(found);
    };
    forget(by_serial_, presence.ring, presence.serial);
    forget(by_material_, presence.ring, presence.material);
}

bool KeyLedger::put(const Presence& key, std::string_view index_key) {
    if (key.serial != 0) serials_[key.serial] = key.material;
    const auto same = by_material_.find({key.ring, key.material});
    if (same != by_material_.end()) {
        Presence& there = presences_[same->second];
        if (there.serial == 0 || key.serial == 0 || there.serial == key.serial) {
            there.confirmed = key.confirmed;
            if (there.serial == 0 && key.serial != 0) {
                there.serial = key.serial;
                by_serial_[{key.ring, key.serial}] = same->second;
                of_serial_[key.serial].push_back(same->second);
            }
            there.judged = there.judged || key.judged;
            return false;
        }
    }
    if (key.serial != 0) {
        const auto before = by_serial_.find({key.ring, key.serial});
        if (before != by_serial_.end()) end(before->second, key.since);
    }
    const auto index = static_cast<Index>(presences_.size());
    if (!index_key.empty()) {
        // A name may hold a NUL and anything else, so the map's key is a copy of its own.
        const auto [displaced, fresh] =
            by_description_.try_emplace({key.ring, std::string(index_key)}, index);
        if (!fresh) {
            end(displaced->second, key.since);
            displaced->second = index;
        }
    }
    presences_.push_back(key);
    of_ring_[key.ring].push_back(index);
    if (key.serial != 0) {
        by_serial_[{key.ring, key.serial}] = index;
        of_serial_[key.serial].push_back(index);
    }
    by_material_[{key.ring, key.material}] = index;
    return true;
}

void KeyLedger::remove(RingId ring, std::int64_t serial, std::uint64_t entry) {
    const auto found = by_serial_.find({ring, serial});
    if (found != by_serial_.end()) end(found->second, entry);
}

void KeyLedger::remove_everywhere(std::int64_t serial, std::uint64_t entry) {
    const auto found = of_serial_.find(serial);
    if (found == of_serial_.end()) return;
    for (const Index index : found->second) end(index, entry);
    of_serial_.erase(found);
}

void KeyLedger::clear(RingId ring, std::uint64_t entry) {
    for (const Index index : of_ring_[ring]) end(index, entry);
    of_ring_[ring].clear();
}

void KeyLedger::forget_unconfirmed(RingId ring, std::uint64_t since, std::uint64_t entry) {
    std::erase_if(of_ring_[ring], [&](Index index) {
        const bool gone = presences_[index].confirmed < since;
        if (gone) end(index, entry);
        return gone || presences_[index].until != kStill;
    });
}

}  // namespace keyscribe::appraise
