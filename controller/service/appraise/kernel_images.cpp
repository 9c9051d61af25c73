// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/kernel_images.h"

#include "controller/evidence/json_reader.h"
#include "controller/service/appraise/digest_text.h"

namespace keyscribe::appraise {
namespace {

constexpr std::size_t kLongestName = 4096;
constexpr std::size_t kLongestDigest = 96;  // with colons

Sha256 read_digest(evidence::JsonReader& json) {
    const auto digest = sha256_of_text(json.text(kLongestDigest));
    if (!digest) json.refuse("not a SHA-256 digest in hex");
    return digest.value_or(Sha256{});
}

/// A certificate: its public key's digest. The others are for people and other programs.
void read_certificate(evidence::JsonReader& json, KernelImage& to) {
    bool has_digest = false, has_key = false;
    json.members([&](std::string_view name) {
        if (name == "subject") {
            json.text(kLongestName);
        } else if (name == "sha256") {
            read_digest(json);
            has_digest = true;
        } else if (name == "sha256_public_key") {
            to.keys.insert(read_digest(json));
            has_key = true;
        } else {
            return false;
        }
        return true;
    });
    if (!has_digest || !has_key) json.refuse("a certificate without sha256 or sha256_public_key");
}

KernelImage read_image(evidence::JsonReader& json) {
    KernelImage image;
    bool has_certificates = false;
    json.members([&](std::string_view name) {
        if (name == "name") {
            image.name = json.text(kLongestName);
        } else if (name == "sha256_file") {
            image.file = read_digest(json);
        } else if (name == "sha256_authenticode") {
            image.authenticode = read_digest(json);
        } else if (name == "certificates") {
            has_certificates = true;
            json.elements([&] { read_certificate(json, image); });
        } else {
            return false;
        }
        return true;
    });
    if (image.name.empty() || !has_certificates || (!image.file && !image.authenticode))
        json.refuse(
            "an image without name, certificates, or either of sha256_file and "
            "sha256_authenticode");
    return image;
}

}  // namespace

Result<KernelImages> KernelImages::parse(Bytes content, const std::string& file) {
    evidence::JsonReader json(content);
    KernelImages images;
    std::optional<Error> conflict;
    bool seen = false;
    json.members([&](std::string_view name) {
        if (name != "kernel_images") return false;
        seen = true;
        json.elements([&] {
            KernelImage image = read_image(json);
            if (json.error() || conflict) return;
            if (auto added = images.add(std::move(image)); !added) conflict = added.error();
        });
        return true;
    });
    if (!seen || (images.images_.empty() && !json.error() && !conflict))
        json.refuse("no member kernel_images, or no image in it");
    json.finish();
    if (json.error())
        return fail(json.error()->what, file + ": " + json.error()->where,
                    "README.md of the appraisal has the form; keyscribe references from makes it");
    if (conflict) return fail(conflict->what, file);
    return images;
}

Result<void> KernelImages::add(KernelImage image) {
    for (const auto& [index, digest] :
         {std::pair{&files_, image.file}, std::pair{&authenticodes_, image.authenticode}}) {
        const KernelImage* other = digest ? find(*index, *digest) : nullptr;
        if (other != nullptr && other->keys != image.keys)
            return fail("two images of the digest " + to_hex(*digest) +
                        " have different certificates");
    }
    if (image.file) files_.emplace(*image.file, images_.size());
    if (image.authenticode) authenticodes_.emplace(*image.authenticode, images_.size());
    images_.push_back(std::move(image));
    return {};
}

const KernelImage* KernelImages::find(const Index& index, const Sha256& digest) const {
    const auto found = index.find(digest);
    return found == index.end() ? nullptr : &images_[found->second];
}

const KernelImage* KernelImages::by_file(const Sha256& digest) const {
    return find(files_, digest);
}

const KernelImage* KernelImages::by_authenticode(const Sha256& digest) const {
    return find(authenticodes_, digest);
}

}  // namespace keyscribe::appraise
