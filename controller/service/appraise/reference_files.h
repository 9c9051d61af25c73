// SPDX-License-Identifier: Apache-2.0
// Which files of a folder are reference values, and for which keyring.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "controller/base/error.h"

namespace keyscribe::appraise {

struct ReferenceFile {
    std::filesystem::path path;
    std::string keyring;  ///< the name of the folder that it lies in; empty: the outermost

    auto operator<=>(const ReferenceFile&) const = default;
};

/// All files of `directory` and of the folders in it, sorted. Links are followed. A volume of
/// Kubernetes (ConfigMap, Secret, projected) has each name as a link to `..data/NAME`, and `..data`
/// as a link to a folder of a date: these two are not looked into a second time.
/// A copy of such a volume without links, which has each as a file with the target's path, is read
/// alike. Error: a folder that cannot be read, a link that leads nowhere, what is neither file nor
/// folder, a folder in a keyring's folder, or a file below `..data` to which no name leads.
Result<std::vector<ReferenceFile>> find_reference_files(const std::filesystem::path& directory);

}  // namespace keyscribe::appraise
