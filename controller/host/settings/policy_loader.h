// SPDX-License-Identifier: Apache-2.0
// From a directory of *.policy files to one policy.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/records/records.h"
#include "policy/rule.h"

namespace keyscribe::settings {

struct LoadedPolicy {
    std::vector<records::PolicyFile> files;  ///< in the order in which they are judged
    policy::Policy policy;
};

/// The files' *.policy in name order (bytes), as one policy. Nothing: there is no such file, which
/// means "not ready" and not "measure nothing".
/// Error: a file cannot be read, or the policy is refused; then `what` is the parser's report, of
/// several lines.
Result<std::optional<LoadedPolicy>> load_policy(const std::filesystem::path& directory);

/// The same for files that are given.
Result<LoadedPolicy> load_policy_files(const std::vector<std::filesystem::path>& files);

/// The same for texts that were in force before: those of a keyscribe:policy record.
Result<LoadedPolicy> policy_of(std::vector<records::PolicyFile> files);

/// Whether load_policy() would find a file at all.
bool has_policy_file(const std::filesystem::path& directory);

/// Refuses a policy whose rules name a PCR that tpm::check_pcr() refuses.
Result<void> check_policy_pcrs(const LoadedPolicy& loaded, bool force);

}  // namespace keyscribe::settings
