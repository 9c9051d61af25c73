// SPDX-License-Identifier: Apache-2.0
// Public keys as OpenSSL verifies with them. Every key that foreign bytes bring becomes one here,
// so that the limits stand once. Sources: RFC 5280, 4.1.2.7 (SubjectPublicKeyInfo);
// crypto/asymmetric_keys/x509_cert_parser.c (the kernel's names of algorithms).
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::keyrings {

struct FreePublicKey {
    void operator()(EVP_PKEY* key) const;
};
using PublicKey = std::unique_ptr<EVP_PKEY, FreePublicKey>;

/// Returns the key of a SubjectPublicKeyInfo, DER. Null: malformed, of an algorithm that this
/// OpenSSL does not know, or RSA with an exponent of more than 64 bits (the time of a verification
/// grows with the exponent; 65537 is what people use).
PublicKey read_public_key(Bytes spki);

/// Returns the SubjectPublicKeyInfo, DER, in the one form that kernels and TPMs show: of an
/// elliptic curve its name, not its parameters, and the point uncompressed (RFC 5480, 2.1.1
/// and 2.2). Empty: OpenSSL cannot write it.
std::vector<std::uint8_t> canonical_spki(EVP_PKEY* key);

/// Returns the SubjectPublicKeyInfo, DER, of a key of which the kernel tells the algorithm ("rsa",
/// "ecdsa-nist-p256", ...) and subjectPublicKey's bytes; empty where the algorithm is not known
/// here.
std::vector<std::uint8_t> public_key_info(std::string_view algorithm, Bytes key);

}  // namespace keyscribe::keyrings
