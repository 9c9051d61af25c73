// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/references.h"

#include <algorithm>
#include <array>

#include "controller/base/mapped_file.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/digest_text.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/known_names.h"
#include "controller/service/appraise/reference_files.h"

namespace keyscribe::appraise {
namespace {

constexpr const char* kKernelImagesFile = "kernel-images.json";

}  // namespace

bool is_named(const Reference& reference, std::string_view name) {
    if (name == "*") return true;
    const std::string_view file = reference.file;
    if (file == name) return true;
    if (file.ends_with(name) && file[file.size() - name.size() - 1] == '/') return true;
    const auto digest = sha256_of_text(name);
    return digest && (*digest == reference.digest || *digest == reference.key_digest ||
                      *digest == reference.spki_digest);
}

Result<void> ReferenceValues::add(Bytes content, const std::string& file,
                                  const std::string& keyring) {
    auto certificates = read_certificates(content, file);
    if (!certificates) return std::unexpected(certificates.error());
    for (FileItem& certificate : *certificates) {
        storage_.push_back(std::move(certificate.der));
        const auto view = keyrings::view_certificate(storage_.back());
        if (!view) return fail("not an X.509 certificate", certificate.where);
        const auto index = static_cast<std::uint32_t>(all_.size());
        all_.push_back({.file = file,
                        .keyring = keyring,
                        .view = *view,
                        .digest = sha256(view->der),
                        .key_digest = sha256(view->public_key),
                        .spki_digest = sha256(view->spki),
                        .tbs_digest = sha256(view->tbs)});
        certificates_[all_.back().digest].push_back(index);
        keys_[all_.back().key_digest].push_back(index);
        subjects_[sha256(view->subject)].push_back(index);
        std::array<std::uint8_t, 2 * sizeof(Sha256)> both;
        std::ranges::copy(all_.back().digest, std::ranges::copy(identity_, both.begin()).out);
        identity_ = sha256(both);
    }
    return {};
}

Result<ReferenceValues> ReferenceValues::load(const std::filesystem::path& directory) {
    const auto files = find_reference_files(directory);
    if (!files) return std::unexpected(files.error());
    ReferenceValues values;
    for (const ReferenceFile& file : *files) {
        // A folder says that its keyring exists, unless it was meant to be another.
        if (!file.keyring.empty())
            if (const auto problem = folder_problem(file.keyring))
                return fail("'" + printable(file.keyring) + "': " + problem->what,
                            file.path.parent_path().string(), problem->hint);
        const auto mapped = MappedFile::open(file.path);
        if (!mapped) return std::unexpected(mapped.error());
        if (file.keyring.empty() && file.path.filename() == kKernelImagesFile) {
            auto images = KernelImages::parse(mapped->bytes(), file.path.string());
            if (!images) return std::unexpected(images.error());
            values.images_ = std::move(*images);
            continue;
        }
        if (auto added = values.add(mapped->bytes(), file.path.string(), file.keyring); !added)
            return std::unexpected(added.error());
    }
    if (values.all_.empty())
        return fail("no certificate in the reference values", directory.string(),
                    "every key would be unknown");
    return values;
}

const std::vector<std::uint32_t>* ReferenceValues::by_certificate(const Sha256& digest) const {
    const auto found = certificates_.find(digest);
    return found == certificates_.end() ? nullptr : &found->second;
}

const std::vector<std::uint32_t>* ReferenceValues::by_public_key(const Sha256& digest) const {
    const auto found = keys_.find(digest);
    return found == keys_.end() ? nullptr : &found->second;
}

const std::vector<std::uint32_t>* ReferenceValues::by_subject(Bytes subject) const {
    const auto found = subjects_.find(sha256(subject));
    return found == subjects_.end() ? nullptr : &found->second;
}

Match ReferenceValues::match(const std::optional<Sha256>& certificate,
                             const std::optional<Sha256>& key, std::string_view ring) const {
    const auto fits = [&](const std::vector<std::uint32_t>* found) {
        return found != nullptr && std::ranges::any_of(*found, [&](std::uint32_t index) {
                   const std::string& only = all_[index].keyring;
                   return only.empty() || only == ring;
               });
    };
    const auto* same = certificate ? by_certificate(*certificate) : nullptr;
    if (fits(same)) return Match::kCertificate;
    const auto* same_key = key ? by_public_key(*key) : nullptr;
    if (fits(same_key)) return Match::kPublicKey;
    return same != nullptr || same_key != nullptr ? Match::kOtherKeyring : Match::kNone;
}

std::vector<const Reference*> ReferenceValues::that_may_be(const std::optional<Sha256>& certificate,
                                                           const std::optional<Sha256>& key,
                                                           std::string_view ring) const {
    std::vector<const Reference*> found;
    for (const auto* indices : {certificate ? by_certificate(*certificate) : nullptr,
                                key ? by_public_key(*key) : nullptr}) {
        if (indices == nullptr || !found.empty()) continue;
        for (const std::uint32_t index : *indices) {
            const Reference& reference = all_[index];
            if (reference.keyring.empty() || reference.keyring == ring) found.push_back(&reference);
        }
    }
    return found;
}

}  // namespace keyscribe::appraise
