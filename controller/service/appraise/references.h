// SPDX-License-Identifier: Apache-2.0
// Reference values: the certificates that are known good, from a source that the service trusts.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/seeded_hash.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/kernel_images.h"

namespace keyscribe::appraise {

/// A certificate that may stand in a watched keyring.
struct Reference {
    std::string file;                ///< where it was found, for messages
    std::string keyring;             ///< the only one that it may stand in; empty: any
    keyrings::CertificateView view;  ///< into memory that ReferenceValues owns
    Sha256 digest;                   ///< SHA-256 of the certificate
    Sha256 key_digest;               ///< SHA-256 of subjectPublicKey's bytes
    Sha256 spki_digest;              ///< SHA-256 of its SubjectPublicKeyInfo
    Sha256 tbs_digest;               ///< SHA-256 of its TBSCertificate
};

/// Whether `name`, as an operator writes it, means this reference value: "*", the name of its file
/// with or without its folder, or the SHA-256 of the certificate, of its public key, or of its
/// SubjectPublicKeyInfo, in hex of either case, with or without colons.
bool is_named(const Reference& reference, std::string_view name);

/// How a key in a keyring compares with the reference values.
enum class Match {
    kNone,
    kOtherKeyring,  ///< a reference value that may stand in another keyring only
    kPublicKey,     ///< the public key is a reference value's
    kCertificate,   ///< the whole certificate is one
};

/// Immutable once loaded, so any number of threads may use it.
class ReferenceValues {
  public:
    ReferenceValues() = default;
    // A copy would have views into the first one.
    ReferenceValues(const ReferenceValues&) = delete;
    ReferenceValues& operator=(const ReferenceValues&) = delete;
    ReferenceValues(ReferenceValues&&) = default;
    ReferenceValues& operator=(ReferenceValues&&) = default;

    /// Every file of `directory`, in any form that certificate_file.h reads. What lies in a folder
    /// of a keyring's name may stand in that keyring alone. Links are followed, also to folders;
    /// of a volume as Kubernetes mounts it the visible names count, not `..data` beside them.
    /// Error: a file that cannot be read whole, a link that leads nowhere, a folder in a folder, or
    /// no certificate at all. A file kernel-images.json in `directory` itself is no certificate
    /// but says which kernel has which built in.
    static Result<ReferenceValues> load(const std::filesystem::path& directory);

    /// Adds the certificates of one file.
    Result<void> add(Bytes content, const std::string& file, const std::string& keyring = {});

    const std::vector<Reference>& all() const { return all_; }
    const KernelImages& kernel_images() const { return images_; }
    /// Of which certificates they are, in their order.
    const Sha256& identity() const { return identity_; }
    /// Indices into all(), or nothing.
    const std::vector<std::uint32_t>* by_certificate(const Sha256& digest) const;
    const std::vector<std::uint32_t>* by_public_key(const Sha256& key_digest) const;
    const std::vector<std::uint32_t>* by_subject(Bytes subject) const;

    /// Of a key in the keyring `ring`, by the digests of its certificate and its public key, as far
    /// as they are known.
    Match match(const std::optional<Sha256>& certificate, const std::optional<Sha256>& key,
                std::string_view ring) const;

    /// The reference values that a key in the keyring `ring` may be: those of its certificate where
    /// there are any, or else all that have its public key. Several certificates of one key are
    /// alike: what is asked of a reference value need only hold of one of these.
    std::vector<const Reference*> that_may_be(const std::optional<Sha256>& certificate,
                                              const std::optional<Sha256>& key,
                                              std::string_view ring) const;

  private:
    using Index = std::unordered_map<Sha256, std::vector<std::uint32_t>, base::SeededHash>;
    std::deque<std::vector<std::uint8_t>> storage_;
    std::vector<Reference> all_;
    Index certificates_, keys_, subjects_;
    KernelImages images_;
    Sha256 identity_{};
};

}  // namespace keyscribe::appraise
