// SPDX-License-Identifier: Apache-2.0
// keyscribe list.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "controller/base/unique_fd.h"
#include "controller/cli/commands.h"
#include "controller/cli/list_printer.h"
#include "controller/cli/output.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/cel.h"
#include "controller/list/list_reader.h"

namespace keyscribe::cli {
namespace {

Result<UniqueFd> open_list(const std::filesystem::path& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open the list", path.string(),
                          errno == ENOENT ? "nothing was measured since the boot"
                                          : "be root, or a member of the group keyscribe");
    return fd;
}

/// Appends what the file has beyond what is there already.
Result<void> read_on(const UniqueFd& fd, std::vector<std::uint8_t>& bytes,
                     const std::string& path) {
    std::array<std::uint8_t, 65536> block;
    for (;;) {
        const ssize_t got = ::read(fd.get(), block.data(), block.size());
        if (got < 0) return fail_errno("cannot read the list", path);
        if (got == 0) return {};
        bytes.insert(bytes.end(), block.begin(), block.begin() + got);
    }
}

int show_list(const settings::Config& config, const std::string& format, bool follow,
              const std::vector<std::string>& names) {
    if (!names.empty() && format != "text" && format != "json")
        return report({"its entries cannot be chosen by name", "--format " + format,
                       "--name is for the formats text and json"});
    const auto path = config.list.directory / measure::ListFiles::kBinary;
    const auto fd = open_list(path);
    if (!fd) return report(fd.error());
    UniqueFd watch(::inotify_init1(IN_CLOEXEC));
    if (follow && ::inotify_add_watch(watch.get(), path.c_str(), IN_MODIFY) < 0)
        return report(fail_errno("cannot watch the list", path.string()).error());

    ListPrinter printer(config, format, follow, names);
    std::vector<std::uint8_t> bytes;
    std::uint64_t number = 0;
    for (;;) {
        if (auto done = read_on(*fd, bytes, path.string()); !done) return report(done.error());
        list::ListReader reader(bytes);
        std::size_t whole = 0;
        for (;;) {
            const auto entry = reader.next();
            if (!entry) {
                if (!follow) return report(entry.error());
                break;  // half of it is there; the rest comes
            }
            if (!*entry) break;
            if (auto done = printer.print(**entry, number++); !done) return report(done.error());
            whole = reader.offset();
        }
        if (!follow) printer.finish();
        if (std::fflush(stdout) != 0)
            return report(fail_errno("cannot write the standard output").error());
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(whole));
        if (!follow) return 0;
        std::array<char, 4096> events;
        if (::read(watch.get(), events.data(), events.size()) < 0)
            return report(fail_errno("cannot watch the list", path.string()).error());
    }
}

/// The whole list as a canonical event log, with the digests of every bank that a TPM may have.
int show_cel(const settings::Config& config, list::CelFormat format) {
    const auto path = config.list.directory / measure::ListFiles::kBinary;
    const auto fd = open_list(path);
    if (!fd) return report(fd.error());
    std::vector<std::uint8_t> bytes;
    if (auto done = read_on(*fd, bytes, path.string()); !done) return report(done.error());
    const auto entries = list::read_list(bytes);
    if (!entries) return report(entries.error());
    using enum Algorithm;
    const auto log = list::write_cel(*entries, {kSha1, kSha256, kSha384, kSha512}, format);
    if (!log) return report(log.error());
    const auto done = write_output("-", *log);
    return done ? 0 : report(done.error());
}

}  // namespace

void add_list(CLI::App& app, Context& context) {
    CLI::App* list = app.add_subcommand("list", "The measurement list of this boot");
    const auto format = std::make_shared<std::string>();
    const auto follow = std::make_shared<bool>(false);
    list->add_option(
            "--format", *format,
            "text (an entry a line), events (time, operation, keyring, key and who; --follow "
            "has that), json (a line each), ima (the kernel's ASCII form), cel-json, cel-cbor, "
            "cel-tlv (TCG Canonical Event Log)")
        ->check(
            CLI::IsMember({"text", "events", "json", "ima", "cel-json", "cel-cbor", "cel-tlv"}));
    list->add_flag("--follow", *follow, "go on with what is added");
    const auto names = std::make_shared<std::vector<std::string>>();
    list->add_option("--name", *names,
                     "of text and json only the entries of this name: a keyring's, or "
                     "keyscribe:KIND (may be repeated)");
    list->callback(with_config(context, [format, follow, names](const settings::Config& config) {
        if (const auto cel = list::cel_format_named(*format)) {
            if (*follow || !names->empty())
                return report({"a canonical event log is written whole",
                               *follow ? "--follow" : "--name", "leave it out"});
            return show_cel(config, *cel);
        }
        return show_list(config,
                         !format->empty() ? *format
                         : *follow        ? "events"
                                          : "text",
                         *follow, *names);
    }));
}

}  // namespace keyscribe::cli
