// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/reference_files.h"

#include <algorithm>
#include <set>

namespace keyscribe::appraise {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKubernetesData = "..data";

Result<std::vector<fs::path>> entries_of(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code code;
    for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
         entry.increment(code))
        entries.push_back(entry->path());
    if (code)
        return fail("cannot read the reference values: " + code.message(), folder.string(),
                    "a folder with certificates is expected");
    return entries;
}

/// Adds the files of `folder` that are for `keyring`; with an empty one, those of its folders too.
Result<void> add_folder(const fs::path& folder, const std::string& keyring, bool kubernetes,
                        std::vector<ReferenceFile>& to) {
    const auto entries = entries_of(folder);
    if (!entries) return std::unexpected(entries.error());
    for (const fs::path& entry : *entries) {
        std::error_code code;
        const fs::file_status status = fs::status(entry, code);
        const std::string name = entry.filename().string();
        if (kubernetes && name.starts_with("..") && fs::is_directory(status)) continue;
        if (!fs::exists(status))
            return fail(fs::is_symlink(fs::symlink_status(entry))
                            ? "a link that leads nowhere"
                            : "cannot look at the file: " + code.message(),
                        entry.string());
        if (fs::is_regular_file(status)) {
            to.push_back({entry, keyring});
        } else if (!fs::is_directory(status)) {
            return fail("neither a file nor a folder", entry.string());
        } else if (!keyring.empty()) {
            return fail("a folder in a keyring's folder", entry.string(),
                        "a folder stands for the keyring of its name, and holds files alone");
        } else if (auto added = add_folder(entry, name, false, to); !added) {
            return added;
        }
    }
    return {};
}

/// No file that Kubernetes put below `..data` is passed over.
Result<void> check_kubernetes(const fs::path& data, const std::vector<ReferenceFile>& files) {
    std::error_code code;
    std::set<fs::path> found;
    for (const ReferenceFile& file : files) found.insert(fs::canonical(file.path, code));
    for (fs::recursive_directory_iterator entry(data, code), end; !code && entry != end;
         entry.increment(code)) {
        if (entry->is_directory(code)) continue;
        const fs::path file = fs::canonical(entry->path(), code);
        if (!code && !found.contains(file))
            return fail("a file to which no name outside of ..data leads", entry->path().string());
    }
    if (code) return fail("cannot read the reference values: " + code.message(), data.string());
    return {};
}

}  // namespace

Result<std::vector<ReferenceFile>> find_reference_files(const fs::path& directory) {
    std::vector<ReferenceFile> files;
    const fs::path data = directory / kKubernetesData;
    std::error_code code;
    const bool kubernetes = fs::is_symlink(data, code) && fs::is_directory(data, code);
    if (auto added = add_folder(directory, {}, kubernetes, files); !added)
        return std::unexpected(added.error());
    if (kubernetes)
        if (auto checked = check_kubernetes(data, files); !checked)
            return std::unexpected(checked.error());
    std::ranges::sort(files);
    return files;
}

}  // namespace keyscribe::appraise
