// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/materials.h"

namespace keyscribe::appraise {

void Materials::match(Material& material) const {
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

MaterialId Materials::by_payload(const Sha256& digest, Bytes payload) {
    const auto [found, fresh] =
        payloads_.try_emplace(digest, static_cast<MaterialId>(materials_.size()));
    if (!fresh) {
        // A record may tell of a digest before the payload itself is told.
        Material& known = materials_[found->second];
        if (payload.empty() || !known.certificate.empty() || known.reference != nullptr)
            return found->second;
        known = {};
    } else {
        materials_.emplace_back();
    }
    Material material{.digest = digest, .has_payload = true};
    match(material);  // a reference value was taken apart when it was loaded
    if (material.reference == nullptr)
        if (const auto view = keyrings::view_certificate(payload)) {
            material.certificate = payload;
            material.public_key = view->public_key;
            material.key_digest = sha256(view->public_key);
            match(material);
        }
    materials_[found->second] = std::move(material);
    return found->second;
}

MaterialId Materials::by_public_key(const Sha256& key_digest, Bytes public_key,
                                    std::string_view algorithm, const std::vector<Bytes>& ids) {
    const auto [found, fresh] =
        public_keys_.try_emplace(key_digest, static_cast<MaterialId>(materials_.size()));
    if (!fresh) return found->second;
    Material material{
        .key_digest = key_digest, .public_key = public_key, .algorithm = algorithm, .ids = ids};
    match(material);
    materials_.push_back(std::move(material));
    return found->second;
}

std::vector<Bytes> Materials::certificates_of(const Material& material,
                                              std::string_view ring) const {
    std::vector<Bytes> found;
    // Another one of the same key vouches for a certificate that is a reference value itself.
    if (!material.has_payload || material.by_certificate)
        for (const Reference* reference :
             references_.that_may_be(std::nullopt, material.key_digest, ring))
            found.push_back(reference->view.der);
    if (found.empty() && !material.certificate.empty()) found.push_back(material.certificate);
    return found;
}

}  // namespace keyscribe::appraise
