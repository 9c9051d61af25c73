// SPDX-License-Identifier: Apache-2.0
// The measurement list as a TCG Canonical Event Log: CEL 1.0 revision 0.41 and CEL 1.1 revision 11,
// content type ima_template. One record per entry, `recnum` counted from 0 for each PCR.
//
// JSON  [{"recnum":0,"pcr":13,"digests":[{"hashAlg":"sha256","digest":HEX},...],
//        "content_type":"ima_template","content":{"template_name":"ima-buf","template_data":HEX}},...]
// CBOR  [{0: recnum, 1: pcr, 3: [{0: TPM_ALG_ID, 1: digest},...], 9: 7,
//         10: {0: template_name, 1: template_data}},...], deterministic
// TLV   of each field its type (u8), its length (u32, big-endian) and its value: 0 recnum (8
// bytes),
//       1 pcr (1 byte), 3 digests (of each its TPM_ALG_ID as type), 7 ima_template (of it 0
//       template_name, 1 template_data)
//
// No cel_version record is written: it extends nothing, but readers exist that extend every record.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/error.h"
#include "controller/list/list_reader.h"

namespace keyscribe::list {

enum class CelFormat { kJson, kCbor, kTlv };

/// "cel-json", "cel-cbor", "cel-tlv".
std::optional<CelFormat> cel_format_named(std::string_view name);

struct CelRecord {
    std::uint64_t recnum = 0;
    std::uint32_t pcr = 0;
    std::vector<std::pair<Algorithm, Digest>> digests;  ///< what was extended, in each bank
    std::string template_name;
    std::vector<std::uint8_t> template_data;
};

/// The log of these entries, with digests for these banks (recomputed).
/// Error: a template's name that is not ASCII, or a PCR above 255.
Result<std::vector<std::uint8_t>> write_cel(std::span<const Entry> entries,
                                            const std::vector<Algorithm>& banks, CelFormat format);

/// Error: not a whole log in that format, of records that write_cel() could have written: numbered
/// from 0 in each PCR, each with 1 to 16 digests of the right size, no bank twice.
Result<std::vector<CelRecord>> read_cel(Bytes log, CelFormat format);

}  // namespace keyscribe::list
