// SPDX-License-Identifier: Apache-2.0
// What the appraisal says of one key in one keyring.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/references.h"

namespace keyscribe::appraise {

/// Why a key is not simply good: the code of the finding that says so, and what it weighs by the
/// appraisal policy.
struct Reason {
    std::string_view code;
    Weight weight;
};

/// Where a key comes from, as far as the evidence shows it; source_line() in key_source.h says it.
enum class KeySource {
    kList,           ///< what the list says: the record that put it there, or the baseline
    kDb,             ///< the firmware's db, in PCR 7
    kMok,            ///< the owner's, in MokListRT: PCR 14
    kShim,           ///< the first list of MokListRT: shim's own certificate, where it has one
    kDbx,            ///< the firmware's dbx, in PCR 7
    kMokX,           ///< MokListXRT: PCR 14
    kKernelImage,    ///< built into the kernel that was booted, by PCR 4, 9 or 11
    kNotOfKernel,    ///< that kernel is known, and does not have it
    kNotOfFirmware,  ///< the firmware explains this keyring's keys, and not this one
};

struct KeyVerdict {
    bool judged = false;         ///< the appraisal policy wants the key to be known
    Match match = Match::kNone;  ///< how it compares with the reference values
    KeySource source = KeySource::kList;
    std::vector<Reason> reasons;
    Weight weight = Weight::kNote;  ///< the worst of the reasons'

    bool has(std::string_view code) const {
        for (const Reason& reason : reasons)
            if (reason.code == code) return true;
        return false;
    }
};

}  // namespace keyscribe::appraise
