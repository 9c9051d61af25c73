// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "controller/base/digest.h"
#include "controller/host/records/records.h"
#include "controller/list/json_text.h"
#include "policy/rule.h"

namespace keyscribe::measure {
namespace {

Result<UniqueFd> open_for_append(const std::filesystem::path& file) {
    UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!fd) return fail_errno("cannot open the event journal", file.string());
    return fd;
}

namespace fs = std::filesystem;

constexpr std::string_view kName = "events.jsonl";

bool is_boot_id(std::string_view name) {
    return name.size() == 36 && name.find_first_not_of("0123456789abcdef-") == name.npos;
}

/// events.jsonl, events.jsonl.1, ...
bool is_ours(std::string_view name) {
    if (!name.starts_with(kName)) return false;
    name.remove_prefix(kName.size());
    return name.empty() || (name[0] == '.' && name.find_first_not_of("0123456789", 1) == name.npos);
}

/// Removes the oldest files of former boots until the rest takes no more than `limit` bytes: what
/// one boot writes is bounded by its rotation, but boots are many. Other people's files stay.
void remove_oldest(const fs::path& directory, std::string_view boot_id, std::uint64_t limit) {
    struct Old {
        fs::path path;
        fs::file_time_type written;
        std::uint64_t size;
    };
    std::vector<Old> old;
    std::uint64_t total = 0;
    std::error_code error;
    for (fs::directory_iterator folder(directory, error), end; !error && folder != end;
         folder.increment(error)) {
        const std::string name = folder->path().filename();
        std::error_code gone;
        if (!is_boot_id(name) || name == boot_id || !fs::is_directory(folder->symlink_status(gone)))
            continue;
        for (fs::directory_iterator file(folder->path(), gone); !gone && file != end;
             file.increment(gone)) {
            if (!is_ours(file->path().filename().string())) continue;
            const Old& added = old.emplace_back(file->path(), file->last_write_time(gone),
                                                gone ? 0 : file->file_size(gone));
            if (gone)
                old.pop_back();
            else
                total += added.size;
        }
    }
    std::ranges::sort(old, {}, &Old::written);
    for (const Old& file : old) {
        if (total <= limit) return;
        if (fs::remove(file.path, error)) total -= file.size;
        fs::remove(file.path.parent_path(), error);  // which it only is when empty
    }
}

}  // namespace

Result<Journal> Journal::open(const fs::path& directory, std::string_view boot_id,
                              std::uint64_t max_size, unsigned files) {
    Journal journal;
    std::error_code error;
    const auto folder = directory / boot_id;
    fs::create_directories(folder, error);
    if (error)
        return fail("cannot create the event journal's folder: " + error.message(),
                    folder.string());
    remove_oldest(directory, boot_id, max_size * files);
    journal.file_ = folder / kName;
    journal.max_size_ = max_size;
    journal.files_ = files;
    if (auto done = journal.start_file(); !done) return std::unexpected(done.error());
    return journal;
}

Result<void> Journal::start_file() {
    auto fd = open_for_append(file_);
    if (!fd) return std::unexpected(fd.error());
    struct stat status{};
    if (::fstat(fd->get(), &status) != 0)
        return fail_errno("cannot look at the event journal", file_.string());
    fd_ = std::move(*fd);
    size_ = static_cast<std::uint64_t>(status.st_size);
    return {};
}

Result<void> Journal::rotate() {
    const auto old = [this](unsigned number) {
        return file_.string() + '.' + std::to_string(number);
    };
    std::error_code error;
    // Where the last attempt got no further than here, the old ones have moved already.
    if (fs::exists(file_, error)) {
        for (unsigned number = files_; number > 1; --number)
            fs::rename(old(number - 1), old(number), error);  // or is not there yet
        fs::rename(file_, old(1), error);
        if (error) return fail("cannot rotate the event journal: " + error.message(), old(1));
    }
    return start_file();
}

Result<void> Journal::append(const nlohmann::json& line) {
    const std::string text = list::json_text(line) + '\n';
    if (size_ != 0 && size_ + text.size() > max_size_)
        if (auto done = rotate(); !done) return done;
    const ssize_t wrote = ::write(fd_.get(), text.data(), text.size());
    if (wrote == static_cast<ssize_t>(text.size())) {
        size_ += text.size();
        return {};
    }
    const int code = wrote < 0 ? errno : ENOSPC;
    // Half a line would spoil the next one too.
    if (wrote > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0)
        size_ += static_cast<std::uint64_t>(wrote);
    return fail_errno("cannot write the event journal", file_.string(), "is the disk full?", code);
}

nlohmann::json kernel_string(std::string_view bytes) {
    nlohmann::json text = bytes;
    try {
        (void)text.dump();
        return text;
    } catch (const nlohmann::json::type_error&) {  // not UTF-8
        return {{"hex", to_hex(as_bytes(bytes))}};
    }
}

namespace {

nlohmann::json to_json(const events::KeyringName& keyring) {
    return {{"serial", keyring.serial}, {"name", kernel_string(keyring.name)}};
}

}  // namespace

nlohmann::json to_json(const events::KeyEvent& event) {
    using nlohmann::json;
    json payload = {{"length", event.payload_length}};
    if (!event.payload.empty())
        payload["sha256"] = to_hex(hash(Algorithm::kSha256, event.payload));
    else if (event.payload_length != 0)
        payload["withheld"] = (event.flags & KS_EVENT_SECRET)    ? "secret"
                              : (event.flags & KS_EVENT_NO_ROOM) ? "no room"
                              : (event.flags & KS_EVENT_FAULT)   ? "unreadable"
                                                                 : "not asked for";
    const bool has_login = event.actor.login_uid != UINT32_MAX;
    json line = {
        {"seq", event.sequence},
        {"boot_time_ns", event.boot_time_ns},
        {"op", policy::operation_name(event.operation)},
        {"policy_generation", event.generation},
        {"key",
         {{"serial", event.key_serial},
          {"type", kernel_string(event.key_type)},
          {"description", kernel_string(event.description)},
          {"uid", event.key_uid},
          {"gid", event.key_gid},
          {"perm", event.key_perm},
          {"expiry", event.key_expiry}}},
        {"keyring", to_json(event.keyring)},
        {"payload", payload},
        {"actor",
         {{"pid", event.actor.pid},
          {"tid", event.actor.tid},
          {"uid", event.actor.uid},
          {"gid", event.actor.gid},
          {"euid", event.actor.euid},
          {"egid", event.actor.egid},
          {"login_uid", has_login ? json(event.actor.login_uid) : json(nullptr)},
          {"ppid", event.actor.ppid},
          {"session",
           event.actor.session != UINT32_MAX ? json(event.actor.session) : json(nullptr)},
          {"kind", records::kind_of(event.actor)},
          {"comm", kernel_string(event.actor.comm)},
          {"exe", event.actor.exe.empty() ? json(nullptr) : kernel_string(event.actor.exe)},
          {"exe_dev", event.actor.exe_dev},
          {"exe_ino", event.actor.exe_ino},
          {"exe_generation", event.actor.exe_generation},
          {"exe_mnt_ns", event.actor.exe_mnt_ns},
          {"exe_now",
           event.actor.exe_now.empty() ? json(nullptr) : kernel_string(event.actor.exe_now)},
          {"cgroup",
           event.actor.cgroup.empty() ? json(nullptr) : kernel_string(event.actor.cgroup)},
          {"cgroup_id", event.actor.cgroup_id},
          {"namespaces",
           {{"mnt", event.actor.mnt_ns},
            {"pid", event.actor.pid_ns},
            {"net", event.actor.net_ns},
            {"user", event.actor.user_ns}}}}},
    };
    if (event.operation == KS_OP_MOVE) line["from"] = to_json(event.from);
    if (event.operation == KS_OP_REJECT) line["error"] = event.argument;
    if (event.operation == KS_OP_RESTRICT) line["restriction"] = kernel_string(event.restriction);
    return line;
}

}  // namespace keyscribe::measure
