// SPDX-License-Identifier: Apache-2.0
// Keys of OpenSSL's and certificates of them, as a test likes them.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace keyscribe::testing {

using Buffer = std::vector<std::uint8_t>;

std::shared_ptr<EVP_PKEY> rsa_key(unsigned bits = 2048);
std::shared_ptr<EVP_PKEY> ec_key(const char* curve);

/// The bits of the key's SubjectPublicKeyInfo.
Buffer spki_bits(EVP_PKEY* key);

struct CertificateOptions {
    std::int64_t not_before = std::time(nullptr) - 3600;
    std::int64_t not_after = std::time(nullptr) + 86400;
    const EVP_MD* digest = EVP_sha256();
};

/// A certificate of `key` with the name `subject`, signed by `issuer_key` as `issuer`; about
/// `comment` bytes longer where that is more than 30.
Buffer certificate(EVP_PKEY* key, const std::string& subject, EVP_PKEY* issuer_key,
                   const std::string& issuer, const CertificateOptions& options = {},
                   unsigned comment = 0);

}  // namespace keyscribe::testing
