// SPDX-License-Identifier: Apache-2.0
// Evidence of a host that is trusted at this moment as a source: what stands in its keyrings.
#pragma once

#include "controller/base/error.h"
#include "controller/service/references/findings.h"

namespace keyscribe::references {

/// Takes the certificates that stand in the keyrings of root by the evidence's list, those of the
/// firmware's and shim's variables in it, and as standing_keys what is known by its public key
/// alone. Nothing is verified: whoever trusts the host appraises the evidence first.
/// Error: not evidence, or not a whole list.
Result<void> take_golden_host(Bytes content, const std::string& where, Findings& to);

/// When all sources were read: gives each standing key's certificate, where one was found, the
/// keyring that it stands in. The rest becomes a note each.
void resolve_standing_keys(Findings& findings);

}  // namespace keyscribe::references
