// SPDX-License-Identifier: Apache-2.0
// A file of certificates or keys that an operator hands in. Its content decides what it is, never
// its name: PEM, DER (one or more end to end), PKCS#7, or EFI signature lists.
#pragma once

#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/service/appraise/pem_blocks.h"

namespace keyscribe::appraise {

struct FileItem {
    std::vector<std::uint8_t> der;
    std::string where;  ///< the file, and in PEM the line
};

struct CertificateFile {
    std::vector<FileItem> certificates;  ///< each is X.509 from end to end
    std::vector<FileItem> public_keys;   ///< SubjectPublicKeyInfo; in PEM "PUBLIC KEY"
    std::vector<Sha256> tbs_digests;     ///< EFI_CERT_X509_SHA256: of TBSCertificate
    std::vector<TextLine> text;          ///< lines outside of PEM blocks; views into the content
};

/// Everything in `content`. Error: anything in it that cannot be read, or that is something else;
/// `where` has the file, and the line where it has lines.
Result<CertificateFile> read_certificate_file(Bytes content, const std::string& file);

/// Error: a line outside of the PEM blocks is base64 or a digest, so a BEGIN line may be missing.
Result<void> refuse_loose_data(const CertificateFile& content, const std::string& file);

/// As above, where nothing but certificates may stand, and at least one. In PEM, text between the
/// blocks may explain them; a line of base64 or a digest there is refused.
Result<std::vector<FileItem>> read_certificates(Bytes content, const std::string& file);

}  // namespace keyscribe::appraise
