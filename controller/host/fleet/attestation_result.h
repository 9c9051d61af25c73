// SPDX-License-Identifier: Apache-2.0
// What a verifier says of this host: EAR, an EAT in a JSON Web Token (draft-ietf-rats-ear-03, RFC
// 9711, RFC 7519).
#pragma once

#include <string>
#include <string_view>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::fleet {

/// With the exit status that `keyscribe appraise` has for it.
enum class Verdict { kAffirmed = 0, kContraindicated = 1, kNone = 2 };

std::string_view name_of(Verdict verdict);

/// The worst of its appraisals. The signature is not verified: the token came over a connection to
/// the verifier itself, and is only shown. Error: it is no result, or one over another nonce.
Result<Verdict> read_result(std::string_view token, Bytes nonce);

}  // namespace keyscribe::fleet
