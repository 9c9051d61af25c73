// SPDX-License-Identifier: Apache-2.0
// An X.509 certificate, taken apart where it lies: a list of a hundred thousand entries may hold as
// many, and OpenSSL takes 0.1 ms to make an object of one. Sources: RFC 5280, 4.1 and 4.2.1; X.690.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controller/base/digest.h"

namespace keyscribe::keyrings {

struct CertificateView {
    Bytes der;                                   ///< the whole of it
    Bytes tbs;                                   ///< TBSCertificate, DER: what is signed
    Bytes serial, issuer, subject;               ///< DER, as they stand
    std::int64_t not_before = 0, not_after = 0;  ///< seconds since 1970
    Bytes spki;                                  ///< SubjectPublicKeyInfo, DER
    Bytes public_key;  ///< the BIT STRING's bytes in it, without the count of unused bits
    std::optional<Bytes> subject_key_id, authority_key_id;
};

/// Nothing where `der` is not a certificate from end to end. The signature is not looked at.
std::optional<CertificateView> view_certificate(Bytes der);

/// The subject's common name, or organization, or nothing of it: for messages, in UTF-8 whatever
/// the certificate has it in, at most 200 bytes, with a '?' for what is not seen as itself.
std::string display_name(const CertificateView& certificate);

/// How many bytes the DER value at the beginning of `der` has, for certificates that lie end to
/// end. Nothing where its length does not add up.
std::optional<std::size_t> der_size(Bytes der);

/// subjectPublicKey's bytes of a SubjectPublicKeyInfo.
std::optional<Bytes> public_key_of_spki(Bytes spki);

}  // namespace keyscribe::keyrings
