// SPDX-License-Identifier: Apache-2.0
// What PCR 7 says of Secure Boot: whether it was on, and the variables PK, KEK, db and dbx.
// Source: PFP, 3.3.4.8 (what is measured into PCR 7, in which order), 10.2.6 (UEFI_VARIABLE_DATA).
//
// Of each event a digest covers the content, and neither the type nor its place among other PCRs'
// events; and root can extend PCR 7 later and append events to the log. So only what stands before
// PCR 7's separator is believed, and the separator is known by its digest, whatever its type says.
#pragma once

#include <string>

#include "controller/service/firmware/event_log.h"

namespace keyscribe::firmware {

struct SecureBoot {
    bool on = false;
    Bytes pk, kek, db, dbx;  ///< EFI signature lists (signature_list.h); empty: no such variable
    /// Events before the separator that are none of these variables (such as "UEFI Debug Mode"), or
    /// not in their order: a sentence each.
    std::vector<std::string> unexpected;
};

/// `banks`: those in which the log gives the quoted PCR 7. Each digest is computed anew in each.
/// Error: no separator, or no digest that is that of its event.
Result<SecureBoot> read_secure_boot(const EventLog& log, const std::vector<Algorithm>& banks);

}  // namespace keyscribe::firmware
