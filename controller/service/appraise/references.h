// SPDX-License-Identifier: Apache-2.0
// Reference values: the certificates that are known good, from a source that the service trusts;
// and what is known bad.
#pragma once

#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controller/base/error.h"
#include "controller/keyrings/certificate_view.h"

namespace keyscribe::appraise {

/// For hash tables whose keys are digests already.
struct DigestHash {
    std::size_t operator()(const Sha256& digest) const {
        std::size_t value;
        std::memcpy(&value, digest.data(), sizeof value);
        return value;
    }
};

/// A certificate that may stand in a watched keyring.
struct Reference {
    std::string file;                ///< where it was found, for messages
    std::string keyring;             ///< the only one that it may stand in; empty: any
    keyrings::CertificateView view;  ///< into memory that ReferenceValues owns
    Sha256 digest;                   ///< SHA-256 of the certificate
    Sha256 key_digest;               ///< SHA-256 of subjectPublicKey's bytes
};

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
    /// Every file of `directory`: PEM with any number of certificates, or DER, one or more end to
    /// end. What lies in a folder of a keyring's name may stand in that keyring alone.
    /// Error: a file that cannot be read or is neither, or no certificate at all.
    static Result<ReferenceValues> load(const std::filesystem::path& directory);

    /// Adds the certificates of one PEM or DER file.
    Result<void> add(Bytes content, const std::string& file, const std::string& keyring = {});

    const std::vector<Reference>& all() const { return all_; }
    /// Indices into all(), or nothing.
    const std::vector<std::uint32_t>* by_certificate(const Sha256& digest) const;
    const std::vector<std::uint32_t>* by_public_key(const Sha256& key_digest) const;
    const std::vector<std::uint32_t>* by_subject(Bytes subject) const;

    /// Of a key in the keyring `ring`, by the digests of its certificate and its public key, as far
    /// as they are known.
    Match match(const std::optional<Sha256>& certificate, const std::optional<Sha256>& key,
                std::string_view ring) const;

  private:
    using Index = std::unordered_map<Sha256, std::vector<std::uint32_t>, DigestHash>;
    std::deque<std::vector<std::uint8_t>> storage_;
    std::vector<Reference> all_;
    Index certificates_, keys_, subjects_;
};

/// Keys that must never have stood in a watched keyring.
class BlockedKeys {
  public:
    /// Lines with the SHA-256, in hex, of a certificate or of subjectPublicKey's bytes, empty lines
    /// and `# comments`; or certificates in PEM, which are blocked together with their keys.
    static Result<BlockedKeys> parse(std::string_view text, const std::string& file);
    bool contains(const Sha256& digest) const { return digests_.contains(digest); }

  private:
    std::unordered_set<Sha256, DigestHash> digests_;
};

/// Files that must never have been opened or run.
class BlockedFiles {
  public:
    /// Lines as sha256sum(1) writes them, or "ALGORITHM:HEX", or HEX alone (whose length says the
    /// algorithm); empty lines and `# comments`.
    static Result<BlockedFiles> parse(std::string_view text, const std::string& file);
    /// `algorithm` as IMA names it.
    bool contains(std::string_view algorithm, Bytes digest) const {
        return digests_.contains(std::string(algorithm) + ':' + to_hex(digest));
    }
    /// Whether any digest is of this algorithm: otherwise there is nothing to compare with.
    bool has_algorithm(std::string_view algorithm) const {
        return algorithms_.contains(std::string(algorithm));
    }
    bool empty() const { return digests_.empty(); }

  private:
    std::unordered_set<std::string> digests_;  ///< "sha256:HEX"
    std::unordered_set<std::string> algorithms_;
};

}  // namespace keyscribe::appraise
