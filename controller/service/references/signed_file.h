// SPDX-License-Identifier: Apache-2.0
// Who signed a file: a module (a signature appended to it) or an EFI program (Authenticode).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

/// One signer, as the signature names it.
struct Signer {
    std::string issuer, serial;        ///< RFC 2253, upper-case hex; empty: named by key_id alone
    std::vector<std::uint8_t> key_id;  ///< subject key identifier, where it is named by that
    std::optional<std::vector<std::uint8_t>> certificate;  ///< DER, where the signature brings it
    std::string digest;                                    ///< "sha256"
};

struct FileSignature {
    std::string kind;  ///< "module", "Authenticode"
    std::vector<Signer> signers;
    /// Of Authenticode: whether the digest that is signed is the file's. A module's is not looked
    /// at.
    std::optional<bool> covers_file;
};

/// Whether `content` ends with a module's signature.
bool has_module_signature(Bytes content);

/// The signature that is appended to a module. Error: damaged.
Result<FileSignature> read_module_signature(Bytes content, const std::string& where);

/// Those of an EFI program. None where it is not signed. Error: damaged.
Result<std::vector<FileSignature>> read_authenticode(Bytes content, const std::string& where);

}  // namespace keyscribe::references
