// SPDX-License-Identifier: Apache-2.0
// keyscribe list.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "controller/base/printable.h"
#include "controller/base/unique_fd.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/host/measure/journal.h"
#include "controller/host/measure/list_writer.h"
#include "controller/host/records/records.h"
#include "controller/list/cbor.h"
#include "controller/list/cel.h"
#include "controller/list/json_text.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_format.h"
#include "controller/list/unfold.h"

namespace keyscribe::cli {
namespace {

using nlohmann::json;

/// Byte strings of a record, for people: as text where they are text.
json readable(const json& value) {
    if (value.is_binary()) {
        const auto& bytes = value.get_binary();
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const bool digest =
            bytes.size() == 20 || bytes.size() == 32 || bytes.size() == 48 || bytes.size() == 64;
        json as_text = measure::kernel_string(text);
        for (const char character : text)
            if (digest && static_cast<unsigned char>(character) >= 0x7f)
                return to_hex({bytes.data(), bytes.size()});
        return as_text.is_string() ? as_text : json(to_hex({bytes.data(), bytes.size()}));
    }
    if (!value.is_structured()) return value;
    json copy = value;
    for (json& member : copy) member = readable(member);
    return copy;
}

json fields_of(const list::Entry& entry, std::uint64_t number) {
    return {{"entry", number},
            {"pcr", entry.pcr},
            {"template_digest", to_hex(entry.stored_digest)},
            {"template", std::string(entry.template_name)}};
}

/// An entry that stands for itself alone.
json to_json(const list::Entry& entry, std::uint64_t number) {
    json line = fields_of(entry, number);
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (!fields) {
        line["template_data"] = to_hex(entry.template_data);
        return line;
    }
    line["digest"] = std::string(fields->algorithm) + ':' + to_hex(fields->digest);
    line["name"] = measure::kernel_string(fields->name);
    if (fields->third()) line["buf"] = to_hex(*fields->third());
    return line;
}

/// One of those that an entry stands for.
json to_json(const list::Entry& entry, const list::LogicalRecord& record) {
    json line = fields_of(entry, record.entry);
    line["index"] = record.index;
    line["digest"] = "sha256:" + to_hex(hash(Algorithm::kSha256, record.buf));
    line["name"] = measure::kernel_string(record.name);
    const auto decoded =
        list::record_kind(record.name) ? list::from_cbor(record.buf) : Result<json>(json());
    if (decoded && !decoded->is_null())
        line["record"] = readable(*decoded);
    else
        line["buf"] = to_hex(record.buf);
    return line;
}

void print_json(const json& line) { fmt::print("{}\n", list::json_text(line)); }

void print_text(const list::Entry& entry, std::uint64_t number, std::string_view algorithm,
                Bytes digest, std::size_t size, std::string_view name) {
    fmt::print("{:>6}  PCR {:<2}  {}:{:.16}…  {:>7} bytes  {}\n", number, entry.pcr,
               measure::escape_name(algorithm), to_hex(digest), size, printable(name));
}

/// A batch as the records in it: that is what was measured.
void print(const list::Entry& entry, std::uint64_t number, const std::string& format) {
    if (format == "ima") {
        fmt::print("{}", measure::text_line(entry.pcr, entry.stored_digest, entry.template_name,
                                            entry.template_data));
        return;
    }
    bool unfolded = false;
    if (auto records = list::Unfolded::of(entry, number))
        while (const auto record = records->next()) {
            unfolded = true;
            if (format == "json")
                print_json(to_json(entry, *record));
            else
                print_text(entry, number, "sha256", hash(Algorithm::kSha256, record->buf),
                           record->buf.size(), record->name);
        }
    if (unfolded) return;
    if (format == "json") {
        print_json(to_json(entry, number));
        return;
    }
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (fields)
        print_text(entry, number, fields->algorithm, fields->digest,
                   fields->third() ? fields->third()->size() : 0, fields->name);
    else
        fmt::print("{:>6}  PCR {:<2}  {}\n", number, entry.pcr, printable(entry.template_name));
}

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

int show_list(const settings::Config& config, const std::string& format, bool follow) {
    const auto path = config.list.directory / measure::ListFiles::kBinary;
    const auto fd = open_list(path);
    if (!fd) return report(fd.error());
    UniqueFd watch(::inotify_init1(IN_CLOEXEC));
    if (follow && ::inotify_add_watch(watch.get(), path.c_str(), IN_MODIFY) < 0)
        return report(fail_errno("cannot watch the list", path.string()).error());

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
            print(**entry, number++, format);
            whole = reader.offset();
        }
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
    const auto format = std::make_shared<std::string>("text");
    const auto follow = std::make_shared<bool>(false);
    list->add_option("--format", *format,
                     "text, json (a line each), ima (the kernel's ASCII form), cel-json, cel-cbor, "
                     "cel-tlv (TCG Canonical Event Log)")
        ->check(CLI::IsMember({"text", "json", "ima", "cel-json", "cel-cbor", "cel-tlv"}))
        ->capture_default_str();
    list->add_flag("--follow", *follow, "go on with what is added");
    list->callback(with_config(context, [format, follow](const settings::Config& config) {
        if (const auto cel = list::cel_format_named(*format)) {
            if (*follow)
                return report(
                    {"a canonical event log is written whole", "--follow", "leave it out"});
            return show_cel(config, *cel);
        }
        return show_list(config, *format, *follow);
    }));
}

}  // namespace keyscribe::cli
