// SPDX-License-Identifier: Apache-2.0
// Reference values as a Concise Reference Integrity Manifest (draft-ietf-rats-corim), in the
// profile that CORIM.md describes: for each keyring the certificates that may stand in it.
#pragma once

#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/service/appraise/references.h"
#include "controller/service/references/findings.h"

namespace keyscribe::references {

inline constexpr std::string_view kCorimProfile = "urn:uuid:0c5b1d0e-7d2a-4c86-9e0b-2f4a3b8d6c11";

/// An unsigned CoRIM of these values, the same bytes for the same values.
std::vector<std::uint8_t> corim_of(const appraise::ReferenceValues& values);

/// What a manifest says of one keyring.
struct CorimKey {
    std::string keyring;                    ///< mkey; empty: any
    std::vector<std::uint8_t> certificate;  ///< DER; empty: a thumbprint alone
    std::optional<Sha256> thumbprint;       ///< of the certificate (tag 559) ...
    bool of_key = false;                    ///< ... or of its SubjectPublicKeyInfo (tag 557)
    std::string where;
};

/// A manifest, as far as it is of use here.
struct Corim {
    std::size_t reference_triples = 0;
    std::size_t measurements = 0;
    std::vector<CorimKey> keys;
};

/// Error: not an unsigned CoRIM; damaged; of a profile that is not known; out of its validity at
/// `now`; keys of a kind that is not known; a key without the name of a keyring in a manifest of
/// our profile is one for any.
Result<Corim> read_corim(Bytes content, const std::string& where, std::int64_t now);

/// The keys as certificates for keyrings. Thumbprints are looked up in `known`.
/// Error: a thumbprint of no certificate there; no key at all.
Result<void> take_corim(const Corim& corim, const std::vector<FoundCertificate>& known,
                        const std::string& where, Findings& to);

}  // namespace keyscribe::references
