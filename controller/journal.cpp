// SPDX-License-Identifier: Apache-2.0
#include "controller/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "controller/measure/digest.h"
#include "policy/rule.h"

namespace keyscribe {
namespace {

Result<UniqueFd> open_for_append(const std::filesystem::path& file) {
    UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!fd) return fail_errno("cannot open the event journal", file.string());
    return fd;
}

}  // namespace

Result<Journal> Journal::open(const std::filesystem::path& directory, std::string_view boot_id,
                              std::uint64_t max_size, unsigned files) {
    Journal journal;
    std::error_code error;
    const auto folder = directory / boot_id;
    std::filesystem::create_directories(folder, error);
    if (error) return fail("cannot create the event journal's folder: " + error.message(), folder.string());
    journal.file_ = folder / "events.jsonl";
    journal.max_size_ = max_size;
    journal.files_ = files;
    auto fd = open_for_append(journal.file_);
    if (!fd) return std::unexpected(fd.error());
    journal.fd_ = std::move(*fd);
    struct stat status{};
    if (::fstat(journal.fd_.get(), &status) == 0)
        journal.size_ = static_cast<std::uint64_t>(status.st_size);
    return journal;
}

Result<void> Journal::rotate() {
    const auto old = [this](unsigned number) { return file_.string() + '.' + std::to_string(number); };
    std::error_code ignored;  // a file that is not there yet
    for (unsigned number = files_; number > 1; --number)
        std::filesystem::rename(old(number - 1), old(number), ignored);
    std::filesystem::rename(file_, old(1), ignored);
    auto fd = open_for_append(file_);
    if (!fd) return std::unexpected(fd.error());
    fd_ = std::move(*fd);
    size_ = 0;
    return {};
}

Result<void> Journal::append(const nlohmann::json& line) {
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
    if (size_ != 0 && size_ + text.size() > max_size_)
        if (auto done = rotate(); !done) return done;
    const ssize_t wrote = ::write(fd_.get(), text.data(), text.size());
    if (wrote != static_cast<ssize_t>(text.size()))
        return fail_errno("cannot write the event journal", file_.string(), "is the disk full?",
                          wrote < 0 ? errno : ENOSPC);
    size_ += text.size();
    return {};
}

nlohmann::json kernel_string(std::string_view bytes) {
    nlohmann::json text = bytes;
    try {
        (void)text.dump();
        return text;
    } catch (const nlohmann::json::type_error&) {  // not UTF-8
        return {{"hex", measure::to_hex(measure::as_bytes(bytes))}};
    }
}

nlohmann::json to_json(const KeyEvent& event) {
    using nlohmann::json;
    json payload = {{"length", event.payload_length}};
    if (!event.payload.empty())
        payload["sha256"] =
            measure::to_hex(measure::hash(measure::Algorithm::kSha256, event.payload));
    else if (event.payload_length != 0)
        payload["withheld"] = (event.flags & KS_EVENT_SECRET)    ? "secret"
                              : (event.flags & KS_EVENT_NO_ROOM) ? "no room"
                              : (event.flags & KS_EVENT_FAULT)   ? "unreadable"
                                                                 : "not asked for";
    const bool has_login = event.actor.login_uid != UINT32_MAX;
    return {
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
        {"keyring", {{"serial", event.keyring_serial}, {"name", kernel_string(event.keyring)}}},
        {"payload", payload},
        {"actor",
         {{"pid", event.actor.pid},
          {"tid", event.actor.tid},
          {"uid", event.actor.uid},
          {"gid", event.actor.gid},
          {"euid", event.actor.euid},
          {"egid", event.actor.egid},
          {"login_uid", has_login ? json(event.actor.login_uid) : json(nullptr)},
          {"comm", kernel_string(event.actor.comm)},
          {"cgroup_id", event.actor.cgroup_id}}},
    };
}

}  // namespace keyscribe
