// SPDX-License-Identifier: Apache-2.0
// From a directory of *.policy files to one policy.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/error.h"
#include "policy/parser.h"
#include "policy/rule.h"

namespace keyscribe {

struct LoadedPolicy {
    std::vector<policy::Source> sources;  ///< in the order in which they are judged
    std::shared_ptr<const policy::Policy> policy;
    std::string digest;  ///< SHA-256 in hex, as the keyscribe:policy record defines it
};

/// The directory's *.policy files in name order (bytes), as one policy. Nothing: there is no such
/// file, which means "not ready", not "measure nothing".
/// Error: a file cannot be read, is larger than the language allows or is refused by the parser;
/// then `what` has the parser's report of several lines.
Result<std::optional<LoadedPolicy>> load_policy(const std::filesystem::path& directory);

/// The same for a list of files.
Result<LoadedPolicy> load_policy_files(const std::vector<std::filesystem::path>& files);

/// Refuses a policy whose rules name PCRs that `force` or the hardware does not allow.
Result<void> check_policy_pcrs(const policy::Policy& policy, bool force);

}  // namespace keyscribe
