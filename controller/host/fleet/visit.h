// SPDX-License-Identifier: Apache-2.0
// One visit to the verifier: a nonce, evidence over it, and what the verifier says of it. The
// challenge-response API of RATS verifiers (Veraison), with a member of its session that says what
// the verifier has of this boot.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "controller/host/fleet/attestation_result.h"
#include "controller/host/fleet/enrolment_file.h"
#include "controller/host/fleet/problem.h"

namespace keyscribe::fleet {

inline constexpr const char* kEvidenceType = "application/vnd.keyscribe.evidence+cbor";

/// What the verifier wants evidence of.
struct Challenged {
    std::vector<std::uint8_t> nonce;
    std::uint64_t since = 0;      ///< the first entry that it has not
    std::uint64_t ima_since = 0;  ///< the same of the kernel's list
};

/// Returns evidence in CBOR.
using Collect = std::function<Result<std::vector<std::uint8_t>>(const Challenged&)>;

struct Visit {
    Verdict verdict = Verdict::kNone;
    std::string result;    ///< EAR, a JSON Web Token
    std::size_t sent = 0;  ///< bytes of evidence
    bool whole = false;    ///< the verifier had nothing of this boot
};

/// Evidence of what is new, where the verifier has a beginning of this boot's lists, else of all;
/// of all, too, where it does not want what is new alone, or there is less than it says to have.
Answered<Visit> visit(Connection& connection, const Enrolment& enrolment,
                      const std::string& boot_id, const Collect& collect);

}  // namespace keyscribe::fleet
