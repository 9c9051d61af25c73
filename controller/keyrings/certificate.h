// SPDX-License-Identifier: Apache-2.0
// What people are told of an X.509 certificate; certificate_view.h takes it apart.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::keyrings {

struct Certificate {
    std::string subject, issuer;                 ///< RFC 2253 in UTF-8 (-nameopt RFC2253,-esc_msb)
    std::string serial;                          ///< upper-case hex, as openssl x509 -serial
    std::int64_t not_before = 0, not_after = 0;  ///< seconds since 1970
    std::vector<std::uint8_t> subject_key_id, authority_key_id;  ///< empty: none
    std::string algorithm;                 ///< "RSA 2048", "EC prime256v1", "ED25519", ...
    Sha256 sha256{};                       ///< of the DER
    Sha256 fingerprint{};                  ///< of the bytes of subjectPublicKey's BIT STRING
    std::vector<std::uint8_t> public_key;  ///< SubjectPublicKeyInfo, DER
    std::vector<std::uint8_t> raw_subject, raw_issuer;  ///< Name, DER
};

/// DER from end to end; anything else has no certificate in it, and the answer is a word why.
std::expected<Certificate, std::string> parse_certificate(Bytes payload);

/// Why nobody can tell who signed this certificate, as a clause ("it is signed with SHA-1", "ML-DSA
/// cannot be verified by this OpenSSL"); empty where Signers (signers.h) can.
std::string why_unverifiable(Bytes der);

}  // namespace keyscribe::keyrings
