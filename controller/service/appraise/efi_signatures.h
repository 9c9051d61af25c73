// SPDX-License-Identifier: Apache-2.0
// EFI signature lists, as db, dbx and MokList hold them. Source: UEFI Specification 2.10, 32.4.1
// (EFI_SIGNATURE_LIST, EFI_SIGNATURE_DATA) and 8.2.2 (EFI_VARIABLE_AUTHENTICATION_2).
#pragma once

#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::appraise {

/// A file's EFI signature lists, taken apart.
struct EfiSignatures {
    std::vector<Bytes> certificates;          ///< EFI_CERT_X509_GUID
    std::vector<Sha256> certificate_digests;  ///< EFI_CERT_X509_SHA256_GUID: of TBSCertificate
};

/// Whether `content` begins with a signature list, or with what stands before one: the attributes
/// (a file of efivarfs), or an EFI_VARIABLE_AUTHENTICATION_2 (a .auth file).
bool is_efi_signatures(Bytes content);

/// How many bytes of these stand before the first list.
std::size_t size_before_signatures(Bytes content);

/// Error: sizes that do not add up, or signatures of another kind, such as digests of programs. The
/// signature of a .auth file is not looked at: it is meant for the firmware.
Result<EfiSignatures> read_efi_signatures(Bytes content, const std::string& file);

}  // namespace keyscribe::appraise
