// SPDX-License-Identifier: Apache-2.0
// The certificates that are compiled into a kernel, found in its unpacked image without symbols.
//
// certs/system_certificates.S has them end to end, the module signing key's first, at a multiple of
// 8 bytes; behind them, aligned again, stand their size and that of the first part as 64-bit
// numbers (system_certificate_list_size, module_cert_size; Linux 5.5 and later).
// certs/revocation_certificates.S has those that are revoked, with one such number. Alignment is to
// 8 bytes on x86 and to 256 on arm64, where `.align 8` means 2 to the 8th. A run of certificates
// counts only with these numbers behind it: others in the image (those of the regulatory database,
// a signature's) are told apart from it by that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

/// Certificates that lie end to end. Views into the image.
struct CertificateRun {
    std::size_t offset = 0;
    std::vector<Bytes> certificates;
};

struct BuiltIn {
    CertificateRun trusted;                 ///< of .builtin_trusted_keys
    std::optional<CertificateRun> revoked;  ///< of .blacklist
    std::vector<CertificateRun> others;     ///< in neither list: no keyring is known for these
    /// CONFIG_SYSTEM_BLACKLIST_HASH_LIST: "tbs:HEX", "bin:HEX".
    std::vector<std::string> revoked_hashes;
};

/// Error: no such list, or more than one that may be it.
Result<BuiltIn> find_built_in(Bytes image, const std::string& where);

}  // namespace keyscribe::references
