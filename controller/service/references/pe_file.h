// SPDX-License-Identifier: Apache-2.0
// A PE file (an EFI program: a kernel, a UKI, a boot loader), as far as its sections, its
// Authenticode digest and its signatures go. Source: Microsoft, PE Format; Windows Authenticode
// Portable Executable Signature Format, "Calculating the PE Image Hash".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

struct PeSection {
    std::string name;  ///< ".linux"
    Bytes content;     ///< in the file, without what pads it
};

/// Views into the file's bytes.
struct PeFile {
    std::uint16_t machine = 0;  ///< 0x8664 x86-64, 0xaa64 arm64
    std::vector<PeSection> sections;
    Bytes unsigned_part;            ///< all but the certificate table, which ends the file
    std::vector<Bytes> signatures;  ///< PKCS#7, DER, as they stand in the certificate table
    Sha256 authenticode{};          ///< what the firmware measures into PCR 4, and what is signed

    const PeSection* section(std::string_view name) const;
};

/// Whether `content` is a PE file by its first bytes. A bzImage and an arm64 Image are, too.
bool is_pe_file(Bytes content);

/// Error: offsets that lead out of the file, or a certificate table that does not end it.
Result<PeFile> read_pe_file(Bytes content, const std::string& where);

}  // namespace keyscribe::references
