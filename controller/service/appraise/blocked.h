// SPDX-License-Identifier: Apache-2.0
// What is known bad: keys that must never have stood in a keyring, files that must never have been
// opened or run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "controller/service/appraise/references.h"

namespace keyscribe::appraise {

/// The forms in which one key is known: SHA-256 of its certificate, of the TBSCertificate in it, of
/// its SubjectPublicKeyInfo, and of subjectPublicKey's bytes.
struct KeyDigests {
    std::optional<Sha256> certificate, tbs, spki, key;
};

/// Of a payload: all four where it is a certificate, otherwise its own digest alone.
KeyDigests digests_of_payload(Bytes payload);
/// Of subjectPublicKey's bytes and the kernel's name of the algorithm ("rsa").
KeyDigests digests_of_public_key(Bytes key, std::string_view algorithm);

class BlockedKeys {
  public:
    /// Certificates in any form that certificate_file.h reads, and public keys in PEM, which are
    /// blocked in each form that they are known in; or lines with a SHA-256 in hex, of a
    /// certificate, its TBSCertificate, its SubjectPublicKeyInfo, or of subjectPublicKey's bytes.
    /// Empty lines and `# comments` may stand between. Error: anything else, or nothing at all.
    static Result<BlockedKeys> parse(std::string_view text, const std::string& file);

    /// Where a digest is that of a reference value, its public key is blocked in the other forms
    /// too: a host may tell of a key in any one of them.
    void extend(const ReferenceValues& references);
    bool is_extended_with(const ReferenceValues& references) const {
        return digests_.empty() || extended_with_ == references.identity();
    }

    bool contains(const Sha256& digest) const { return digests_.contains(digest); }
    bool contains(const KeyDigests& key) const;
    bool empty() const { return digests_.empty(); }

  private:
    void add_spki(Bytes spki);

    std::unordered_set<Sha256, base::SeededHash> digests_;
    std::optional<Sha256> extended_with_;
};

class BlockedFiles {
  public:
    /// Lines as sha256sum(1) writes them, with its escapes, also with --tag ("SHA256 (name) =
    /// HEX"); or "ALGORITHM:HEX" with IMA's name of any algorithm; or HEX alone, whose length says
    /// whether it is sha1, sha256, sha384 or sha512. Empty lines and `# comments` may stand
    /// between. Error: anything else, or no digest at all.
    static Result<BlockedFiles> parse(std::string_view text, const std::string& file);

    /// `algorithm` as IMA names it.
    bool contains(std::string_view algorithm, Bytes digest) const;
    /// Whether every blocked file has its digest in this algorithm, as many as in any other: else a
    /// file that was measured with it may be a blocked one. Digests belong together by the name
    /// behind them.
    bool compares(std::string_view algorithm) const;
    bool empty() const { return digests_.empty(); }

  private:
    std::unordered_set<std::string, base::SeededHash> digests_;     ///< "sha256:HEX"
    std::unordered_set<std::string, base::SeededHash> algorithms_;  ///< that compares() names
};

}  // namespace keyscribe::appraise
