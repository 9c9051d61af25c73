// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/former_list.h"

#include <fstream>

#include "controller/base/mapped_file.h"
#include "controller/base/output_file.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/list_reader.h"

namespace keyscribe::measure {

namespace fs = std::filesystem;

bool is_kexec_loaded(const fs::path& file) { return std::ifstream(file).get() == '1'; }

Result<void> keep_list(const fs::path& directory, const fs::path& former) {
    const fs::path list = directory / ListFiles::kBinary;
    std::error_code code;
    if (fs::file_size(list, code) == 0 || code) return {};
    const auto bytes = MappedFile::open(list);
    if (!bytes) return std::unexpected(bytes.error());
    fs::create_directories(former.parent_path(), code);
    if (code) return fail("cannot make the folder: " + code.message(), former.parent_path());
    return write_file(former, bytes->bytes(), kOwnerReads);
}

Result<bool> take_former_list(const fs::path& directory, const fs::path& former) {
    std::error_code code;
    if (former.empty() || !fs::exists(former, code)) return false;
    const auto size = fs::file_size(directory / ListFiles::kBinary, code);
    if (!code && size != 0) return false;
    const auto bytes = MappedFile::open(former);
    if (!bytes) return std::unexpected(bytes.error());
    const auto entries = list::read_list(bytes->bytes());
    if (!entries) return std::unexpected(entries.error());
    std::vector<NewEntry> copies;
    for (const list::Entry& entry : *entries)
        copies.push_back({entry.pcr, std::string(entry.template_name),
                          WipedBytes(entry.template_data.begin(), entry.template_data.end())});
    auto files = ListFiles::open(directory);
    if (!files) return std::unexpected(files.error());
    if (auto done = files->append(copies); !done) return std::unexpected(done.error());
    // It is a list of one boot of the TPM, and no other daemon shall take it.
    fs::remove(former, code);
    return true;
}

void drop_former_list(const fs::path& directory) {
    std::error_code ignored;
    for (const char* name : {ListFiles::kBinary, ListFiles::kText})
        fs::remove(directory / name, ignored);
}

}  // namespace keyscribe::measure
