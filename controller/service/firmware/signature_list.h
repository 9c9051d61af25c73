// SPDX-License-Identifier: Apache-2.0
// EFI signature lists, as db, dbx and MokList hold them. Source: UEFI Specification 2.10, 32.4.1
// (EFI_SIGNATURE_LIST, EFI_SIGNATURE_DATA).
#pragma once

#include <optional>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::firmware {

struct SignatureType {
    std::array<std::uint8_t, 16> guid;  ///< as it lies in memory: UEFI 2.10, appendix A
    const char* name;                   ///< "EFI_CERT_X509_GUID"
};
extern const SignatureType kX509;        ///< a certificate, DER
extern const SignatureType kX509Sha256;  ///< SHA-256 of a TBSCertificate, then an EFI_TIME
extern const SignatureType kSha256;      ///< SHA-256 of a program

/// One list: signatures of one type and one size.
struct SignatureList {
    const SignatureType* type = nullptr;  ///< nullptr: one that UEFI 2.10 does not name
    Bytes header;
    std::vector<Bytes> signatures;  ///< without SignatureOwner
    std::vector<Bytes> owners;      ///< the SignatureOwner of each: a GUID (guid.h)
};

/// Whether `content` begins with a list of a type that is known.
bool begins_signature_list(Bytes content);

/// Takes the first list off `rest`, which is not empty. Error: its sizes do not add up.
Result<SignatureList> take_signature_list(Bytes& rest);

/// What the kernel takes from a variable of lists (certs/efi_parser.c): those before the first that
/// is malformed.
struct SignatureLists {
    std::vector<SignatureList> lists;
    std::optional<Error> malformed;
};
SignatureLists read_signature_lists(Bytes content);

}  // namespace keyscribe::firmware
