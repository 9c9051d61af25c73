// SPDX-License-Identifier: Apache-2.0
// What was found in the sources of reference values.
#pragma once

#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/service/references/signed_file.h"

namespace keyscribe::references {

/// A certificate, and the keyrings that it may stand in.
struct FoundCertificate {
    std::vector<std::uint8_t> der;
    std::vector<std::string> keyrings;  ///< ".builtin_trusted_keys"; "": any; empty: none is known
    std::string source;                 ///< where the host gets it from: "kernel, built in", "db"
    std::string where;                  ///< the file, and the place in it
};

/// What is revoked by digest.
struct Revocation {
    std::string
        digest;  ///< "tbs:HEX" (of a certificate), "bin:HEX" (of a program), as .blacklist has
    std::string source, where;
};

/// A kernel, and what is built into it: by its digests the firmware's log tells which one was
/// started.
struct KernelImage {
    std::string name;      ///< the file, and its name in a package
    std::string form;      ///< kernel_image.h
    Sha256 sha256_file{};  ///< of what is measured into PCR 9 (GRUB), or 11 (.linux of a UKI)
    std::optional<Sha256> sha256_authenticode;            ///< of what is measured into PCR 4
    std::vector<std::vector<std::uint8_t>> certificates;  ///< DER: built in and trusted
};

struct SignedFile {
    std::string where;
    FileSignature signature;
};

/// A key that stands in a keyring of a golden host, of which its list has the public key alone.
struct StandingKey {
    Sha256 fingerprint{};  ///< SHA-256 of subjectPublicKey's bytes
    std::string keyring, description, where;
};

struct Findings {
    std::vector<FoundCertificate> certificates;
    std::vector<Revocation> revocations;
    std::vector<KernelImage> kernel_images;
    std::vector<SignedFile> signed_files;
    std::vector<StandingKey> standing_keys;
    std::vector<std::string> notes;  ///< a sentence each
};

}  // namespace keyscribe::references
