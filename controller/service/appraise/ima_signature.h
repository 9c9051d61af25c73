// SPDX-License-Identifier: Apache-2.0
// A file's signature as IMA keeps it in security.ima, and lists have it in the field sig. Sources:
// security/integrity/integrity.h (evm_ima_xattr_type, signature_v2_hdr, ima_file_id),
// security/integrity/digsig_asymmetric.c.
#pragma once

#include <expected>
#include <string>

#include "controller/list/template_format.h"
#include "controller/service/appraise/kernel_hashes.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::appraise {

/// The first byte of an extended attribute (enum evm_ima_xattr_type).
enum class XattrType : std::uint8_t {
    kFileSignature = 3,
    kEvmPortable = 5,  ///< over the file's metadata, for security.evm
    kVeritySignature = 6,
};
bool is_of_type(Bytes xattr, XattrType type);

struct ImaSignature {
    const KernelHash* hash = nullptr;
    std::uint32_t key_id = 0;  ///< the end of an identifier of its key
    Bytes value;
    bool of_file_id = false;  ///< version 3: over type, algorithm and digest
    std::uint8_t type = 0;
};

/// Error: what is wrong with its form, as a clause ("is of version 1").
std::expected<ImaSignature, std::string> parse_ima_signature(Bytes xattr);

/// What it is over, which must have been measured with the signature's own algorithm. Error, a
/// clause: why nobody can tell.
std::expected<std::vector<std::uint8_t>, std::string> signed_digest(
    const ImaSignature& signature, const list::TemplateFields& measured);

enum class SignatureCheck { kGood, kBad, kNotPossible };

/// kNotPossible: this OpenSSL has no such key or digest, or not both together. `key` may be null.
SignatureCheck check_signature(EVP_PKEY* key, const ImaSignature& signature, Bytes digest);

/// What check_signature() takes with this key, in microseconds of one core, rounded up
/// (tests/bench/signature_prices.cpp measures it). Counted and not measured anew: a verdict does
/// not depend on how busy the service is. `key` may be null.
std::uint64_t price_of(EVP_PKEY* key);

/// What a key's algorithm is called: "RSA", "ML-DSA-65"; or its object identifier. `certificate`
/// may be empty.
std::string key_algorithm(Bytes certificate, EVP_PKEY* key);

}  // namespace keyscribe::appraise
