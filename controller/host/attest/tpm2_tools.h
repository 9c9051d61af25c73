// SPDX-License-Identifier: Apache-2.0
// Evidence in the files of other people's tools: tpm2_checkquote(1) and evmctl(1).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/evidence/evidence.h"

namespace keyscribe::attest {

/// Writes into `directory` (made where it is absent) ak.pem; for each quote N from 1 quote-N.msg,
/// quote-N.sig and quote-N.pcrs, as tpm2_quote -m, -s and -o write them; the lists as
/// binary_runtime_measurements and ima_binary_runtime_measurements; and for each bank of the first
/// quote pcrs.BANK, as evmctl --pcrs reads it. Gives the commands that check them.
Result<std::vector<std::string>> export_tpm2_tools(const evidence::Evidence& evidence,
                                                   const std::filesystem::path& directory);

}  // namespace keyscribe::attest
