// SPDX-License-Identifier: Apache-2.0
// Where a key in a keyring comes from, as far as the evidence shows it.
#pragma once

#include <string>

#include "controller/keyrings/keyring_model.h"
#include "controller/service/appraise/key_verdict.h"

namespace keyscribe::appraise {

/// One line, for people: "firmware: db (PCR 7)", "create by insmod, uid 0, entry 9".
std::string source_line(const keyrings::KeyringModel& model, keyrings::LinkId link,
                        KeySource source);

}  // namespace keyscribe::appraise
