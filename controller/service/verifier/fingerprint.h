// SPDX-License-Identifier: Apache-2.0
// What two pieces of evidence have in common that must be judged alike. Everything that an
// appraisal looks at is in it but what each quote has anew (nonce, clock, signature) and the lists'
// bytes, for which the PCRs' values stand.
#pragma once

#include <string>

#include "controller/evidence/evidence.h"
#include "controller/service/appraise/quote.h"

namespace keyscribe::verifier {

/// SHA-256, hex. `claims`: of its first quote, verified.
std::string fingerprint_of(const evidence::Evidence& evidence, const appraise::QuoteClaims& claims);

/// The evidence without its lists, and the bytes that it is. Its lists can be put back by
/// whole_evidence().
std::vector<std::uint8_t> shell_of(const evidence::Evidence& evidence);

/// A shell with whole lists in it, as if the host had sent all of it. Views into the arguments.
evidence::Evidence whole_evidence(const evidence::Evidence& shell, Bytes list,
                                  std::uint64_t entries, Bytes ima, std::uint64_t ima_entries);

}  // namespace keyscribe::verifier
