// SPDX-License-Identifier: Apache-2.0
// What was found, as files that `keyscribe appraise` takes, and as text.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/service/references/findings.h"

namespace keyscribe::references {

/// One certificate in one keyring, by everything that was found of it.
struct ReferenceFile {
    const FoundCertificate* certificate = nullptr;  ///< the first place where it was found
    std::string keyring, name;                      ///< of its folder, of its file
    bool was_there = false;                         ///< with the same content
};

/// Writes each certificate that has a keyring into that one's folder below `folder`, in DER, under
/// a name of its subject and digest. Returns them in the order of their names. Error: a file of
/// that name with another content, or one that cannot be written.
Result<std::vector<ReferenceFile>> write_references(const Findings& findings,
                                                    const std::filesystem::path& folder);

/// {"kernel_images":[{"name","form","sha256_file","sha256_authenticode","certificates"}]}:
/// README.md of ../appraise has it.
std::string kernel_images_json(const Findings& findings);

/// What `keyscribe appraise --blocked-keys` takes: certificates in PEM, or where there are digests
/// alone, these; a comment before each says where it stands. Digests of programs are left out.
/// Empty: nothing is revoked.
std::string blocked_keys(const Findings& findings);

/// All of it for programs, with the files that were written.
nlohmann::json to_json(const Findings& findings, const std::vector<ReferenceFile>& files);

/// The same for people.
std::string to_text(const Findings& findings, const std::vector<ReferenceFile>& files);

}  // namespace keyscribe::references
