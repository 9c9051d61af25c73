// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/reference_files.h"

#include <algorithm>
#include <climits>
#include <fstream>
#include <iterator>
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

/// The content of a file that stands for a link: git with core.symlinks=false, and archives without
/// links, write the link's target in its place. Empty: it is longer than a path.
std::string flattened_link(const fs::path& file) {
    std::string text;
    std::error_code code;
    if (!fs::is_regular_file(file, code) || fs::file_size(file, code) > PATH_MAX || code)
        return text;
    std::ifstream stream(file, std::ios::binary);
    text.assign(std::istreambuf_iterator(stream), {});
    return text;
}

/// A volume of Kubernetes: the folder that `..data` leads to; empty: it is none.
struct KubernetesVolume {
    fs::path data;
    bool flattened = false;  ///< its links are files

    explicit KubernetesVolume(const fs::path& directory) {
        const fs::path link = directory / kKubernetesData;
        std::error_code code;
        if (fs::is_symlink(link, code)) {
            if (fs::is_directory(link, code)) data = link;
            return;
        }
        const std::string target = flattened_link(link);
        flattened = target.starts_with("..") &&
                    target.find_first_of(std::string("/\0", 2)) == target.npos && target != ".." &&
                    fs::is_directory(directory / target, code);
        if (flattened) data = directory / target;
    }
    bool passes_over(const std::string& name, const fs::file_status& status) const {
        return !data.empty() && name.starts_with("..") &&
               (fs::is_directory(status) || (flattened && name == kKubernetesData));
    }
    /// Where the entry leads.
    fs::path behind(const fs::path& entry) const {
        const std::string name = entry.filename().string();
        return flattened && flattened_link(entry) == std::string(kKubernetesData) + '/' + name
                   ? data / name
                   : entry;
    }
};

/// Adds the files of `folder` that are for `keyring`; with an empty one, those of its folders too.
Result<void> add_folder(const fs::path& folder, const std::string& keyring,
                        const KubernetesVolume* volume, std::vector<ReferenceFile>& to) {
    const auto entries = entries_of(folder);
    if (!entries) return std::unexpected(entries.error());
    for (const fs::path& found : *entries) {
        std::error_code code, ignored;
        const std::string name = found.filename().string();
        if (volume != nullptr && volume->passes_over(name, fs::status(found, code))) continue;
        const fs::path entry = volume != nullptr ? volume->behind(found) : found;
        const fs::file_status status = fs::status(entry, code);
        if (!fs::exists(status))
            return fail(fs::is_symlink(entry, ignored)
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
        } else if (auto added = add_folder(entry, name, nullptr, to); !added) {
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
    const KubernetesVolume volume(directory);
    if (auto added = add_folder(directory, {}, &volume, files); !added)
        return std::unexpected(added.error());
    if (!volume.data.empty())
        if (auto checked = check_kubernetes(volume.data, files); !checked)
            return std::unexpected(checked.error());
    std::ranges::sort(files);
    return files;
}

}  // namespace keyscribe::appraise
