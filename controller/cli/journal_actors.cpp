// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/journal_actors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "controller/base/printable.h"
#include "controller/cli/record_line.h"

namespace keyscribe::cli {
namespace {

using nlohmann::json;

/// What the journal has of a string of the kernel's, for people.
std::string journal_text(const json& value) {
    if (value.is_string()) return printable(value.get<std::string>());
    return value.is_object() ? value.value("hex", std::string()) : std::string();
}

std::uint64_t number(const json& object, const char* member) {
    const auto found = object.find(member);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace

JournalActors JournalActors::of_this_boot(const std::filesystem::path& directory) {
    std::string boot_id;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id") >> std::ws, boot_id);
    return JournalActors(directory / boot_id);
}

JournalActors::JournalActors(const std::filesystem::path& folder) : file_(folder / "events.jsonl") {
    // The old files first: events.jsonl.1 is the youngest of them.
    std::error_code error;
    int oldest = 0;
    while (std::filesystem::exists(file_.string() + '.' + std::to_string(oldest + 1), error))
        ++oldest;
    for (; oldest > 0; --oldest) {
        fd_ = UniqueFd(
            ::open((file_.string() + '.' + std::to_string(oldest)).c_str(), O_RDONLY | O_CLOEXEC));
        read_rest();
    }
    fd_ = UniqueFd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
}

std::string JournalActors::who(std::uint64_t sequence, std::uint64_t boot_time_ns) {
    const std::pair wanted(sequence, boot_time_ns);
    if (!actors_.contains(wanted)) {
        read_rest();
        // A file that is full gets another name, and a new one stands in its place.
        struct stat named{}, open{};
        if (::stat(file_.c_str(), &named) == 0 &&
            (!fd_ || ::fstat(fd_.get(), &open) != 0 || open.st_ino != named.st_ino)) {
            fd_ = UniqueFd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
            rest_.clear();
            read_rest();
        }
    }
    const auto found = actors_.find(wanted);
    return found == actors_.end() ? "" : found->second;
}

void JournalActors::read_rest() {
    std::array<char, 65536> block;
    while (fd_) {
        const ssize_t got = ::read(fd_.get(), block.data(), block.size());
        if (got <= 0) return;
        rest_.append(block.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1)
            take(std::string_view(rest_).substr(begin, end - begin));
        rest_.erase(0, begin);
    }
}

void JournalActors::take(std::string_view line) {
    constexpr std::size_t kMost =
        100'000;  // of a boot's journal, which holds some 80,000 by default
    const json event = json::parse(line, nullptr, false);
    if (!event.is_object() || !event.contains("actor") || !event["actor"].is_object()) return;
    const json& actor = event["actor"];
    std::string program = journal_text(actor.value("exe", json()));
    if (program.empty()) program = journal_text(actor.value("comm", json()));
    actors_[{number(event, "seq"), number(event, "boot_time_ns")}] =
        actor_text(program, static_cast<std::uint32_t>(number(actor, "pid")),
                   static_cast<std::uint32_t>(number(actor, "uid")));
    if (actors_.size() > kMost) actors_.erase(actors_.begin());
}

}  // namespace keyscribe::cli
