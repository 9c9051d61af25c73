// SPDX-License-Identifier: Apache-2.0
// Evidence (RFC 9334): what a host sends so that somebody else can appraise its keyrings. One file,
// deterministic CBOR (RFC 8949, 4.2.1) or JSON; EVIDENCE.md has every field. Nothing here needs a
// TPM, BPF or the host.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::evidence {

/// Values of PCRs by bank and number.
using PcrSet = std::map<Algorithm, std::map<unsigned, Digest>>;

struct Quote {
    Bytes attest;     ///< TPMS_ATTEST, as the TPM signed it
    Bytes signature;  ///< TPMT_SIGNATURE
    PcrSet pcrs;      ///< what the host says the quoted digest is over
};

/// Whole entries of Keyscribe's list (IMA's binary_runtime_measurements).
struct List {
    std::uint64_t entries = 0;     ///< that the first quote covers, counted from the list's first
    std::uint64_t offset = 0;      ///< in bytes: where `data` begins in the list
    std::uint64_t from_entry = 0;  ///< as a number of entries, from 0: `data` begins with this one
    Bytes data;                    ///< entries - from_entry of them
};

/// The kernel's own list.
struct ImaList {
    Algorithm algorithm = Algorithm::kSha1;  ///< of its template digests
    std::uint64_t entries = 0;               ///< in `data`
    Bytes data;                              ///< up to what the quoted PCR 10 covers
    std::uint64_t offset = 0;                ///< in bytes: where `data` begins in the list
    std::uint64_t from_entry = 0;            ///< as a number of entries, from 0, likewise
};

/// What the firmware and shim left for the kernel. Each part but the log may be empty.
struct Firmware {
    Bytes log;               ///< securityfs' tpm0/binary_bios_measurements
    Bytes mok_list;          ///< MokListRT of /sys/firmware/efi/mok-variables
    Bytes mok_list_x;        ///< MokListXRT
    Bytes mok_list_trusted;  ///< MokListTrustedRT
};

/// Views into somebody else's memory. Nothing here is verified: see EVIDENCE.md, "What vouches for
/// what".
struct Evidence {
    std::string_view software;            ///< of the host: "keyscribe 0.1.0"
    std::string_view boot_id;             ///< /proc/sys/kernel/random/boot_id
    std::string_view kernel;              ///< uname -r
    std::uint64_t time = 0;               ///< seconds since 1970, by the host's clock
    std::uint64_t boot_time = 0;          ///< CLOCK_BOOTTIME in ns
    Bytes ak;                             ///< TPMT_PUBLIC of the attestation key
    std::optional<Bytes> ak_name;         ///< its TPM name: algorithm and digest
    std::optional<Bytes> ek_certificate;  ///< DER
    unsigned pcr = 0;                     ///< which one is Keyscribe's
    std::vector<Quote> quotes;            ///< at least one; the first covers `pcr` alone
    List list;
    std::optional<ImaList> ima;
    std::optional<Firmware> firmware;
};

/// What no honest evidence exceeds, so that no length of a forged one allocates or loops.
inline constexpr std::size_t kMaxQuotes = 8;
inline constexpr std::size_t kMaxText = 256;        ///< bytes of a text
inline constexpr std::size_t kMaxStructure = 8192;  ///< bytes of a TPM structure
inline constexpr std::size_t kMaxCertificate = 65536;
inline constexpr unsigned kMaxPcr = 23;
/// Bytes of the firmware's log (20 KiB here; Linux reads at most what the firmware reserved, mostly
/// 64 KiB) and of each of shim's variables (dbx, the longest list in use, has 24 KiB).
inline constexpr std::size_t kMaxFirmwareLog = 1u << 20;
inline constexpr std::size_t kMaxMokVariable = 1u << 19;

std::vector<std::uint8_t> encode_cbor(const Evidence& evidence);
std::string encode_json(const Evidence& evidence);

/// Evidence together with the memory that it needs beyond the input (none for CBOR).
struct Document {
    Evidence evidence;
    std::vector<std::vector<std::uint8_t>> storage;
};

/// Takes evidence apart. CBOR: the result's views point into `input`, which must outlive it;
/// nothing of it is copied, however long its list is. JSON (input that begins with '{' or a blank):
/// the byte strings are copied into the document. Error: anything but the one encoding that
/// EVIDENCE.md allows; `where` names the byte (CBOR) or the member (JSON). The list's own entries
/// are not looked at.
Result<Document> decode(Bytes input);

}  // namespace keyscribe::evidence
