// SPDX-License-Identifier: Apache-2.0
// A TPM's quote. Sources: TCG TPM 2.0 Library Part 1, 31 (attestation), Part 2, 10.12
// (TPMS_ATTEST), 11.3 (TPMT_SIGNATURE), 12.2 (TPMT_PUBLIC), Part 3, 18.4 (TPM2_Quote).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/evidence/evidence.h"
#include "controller/service/appraise/finding.h"

namespace keyscribe::appraise {

/// What makes a public key that key: numbers without leading zeros. Comparing them is a thousandth
/// of the work of having OpenSSL make a key of what every host sends.
struct PublicNumbers {
    std::uint16_t curve = 0;  ///< TPM_ECC_CURVE; of RSA 0
    std::vector<std::uint8_t> n_or_x, e_or_y;
    bool operator==(const PublicNumbers&) const = default;
};

/// The public key that quotes must be signed by. Immutable, so any number of threads may use it.
class AttestationKey {
  public:
    /// A file with one key: a "PUBLIC KEY" in PEM, as `keyscribe ak create` and `tpm2_createak -f
    /// pem` write it, or in DER; or its certificate, in any form that certificate_file.h reads. Of
    /// a certificate only the key counts: who hands it in vouches for it. Error: no key, more than
    /// one, or anything but RSA of at least 2048 bits, or ECC on P-256, P-384 or P-521.
    /// `label`: what people call it, its file's name.
    static Result<AttestationKey> parse(std::string_view content, std::string label);
    static Result<AttestationKey> from_pem(std::string_view pem, std::string label = {}) {
        return parse(pem, std::move(label));
    }

    /// The DER of its SubjectPublicKeyInfo; equal keys have equal ones.
    const std::vector<std::uint8_t>& der() const { return der_; }
    const PublicNumbers& numbers() const { return numbers_; }
    const std::string& label() const { return label_; }

    struct Impl;
    const Impl& impl() const { return *impl_; }

  private:
    AttestationKey() = default;
    std::vector<std::uint8_t> der_;
    PublicNumbers numbers_;
    std::string label_;
    std::shared_ptr<const Impl> impl_;
};

/// What vouches for this key being one that signs nothing but what the TPM itself made.
struct TpmPublic {
    PublicNumbers numbers;  ///< whether they are a key shows where they equal one
    /// restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin, and not decrypt
    bool restricted_signing = false;
    std::string
        lacking;  ///< those of these attributes that it does not have, and decrypt if it has
    std::vector<std::uint8_t> name;  ///< the TPM's: nameAlg, then the digest of the TPMT_PUBLIC
};

/// Takes a TPMT_PUBLIC apart. Error: malformed, or a key of another kind.
Result<TpmPublic> parse_public(Bytes tpmt_public);

/// What `keyscribe ak create` exports of an attestation key, taken together: `ak_pub` is a
/// TPM2B_PUBLIC, `pem` the key that quotes will be verified with, `name` what a credential was made
/// for (may be empty: not compared). Error: they are not of one key, or it is not one that a TPM
/// made, keeps, and signs nothing but its own structures with.
Result<TpmPublic> check_enrolment(Bytes ak_pub, std::string_view pem, Bytes name);

/// The PCRs that a TPMS_ATTEST is over, as the TPM went through them. Nothing where it is not a
/// quote, or selects what is not known here. The signature is not looked at.
std::optional<std::vector<std::pair<Algorithm, unsigned>>> quoted_pcrs(Bytes attest);

/// What a quote says, once it is verified.
struct QuoteClaims {
    std::uint32_t reset_count = 0;    ///< TPM resets: each is a boot
    std::uint32_t restart_count = 0;  ///< TPM restarts and resumes since
    std::uint64_t clock = 0;          ///< ms that the TPM was powered
    bool clock_is_safe = false;
    std::uint64_t firmware = 0;
    std::vector<std::uint8_t> signer;  ///< qualified name of the key
};

/// Verifies signature, nonce, selection and digest: afterwards `quote.pcrs` are the PCRs' values.
/// Every reason against it becomes a finding, and then there are no claims.
std::optional<QuoteClaims> verify_quote(const evidence::Quote& quote, const AttestationKey& key,
                                        Bytes nonce, Findings& findings);

}  // namespace keyscribe::appraise
