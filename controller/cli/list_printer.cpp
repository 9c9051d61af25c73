// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/list_printer.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "controller/base/printable.h"
#include "controller/host/measure/journal.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/cbor.h"
#include "controller/list/json_text.h"
#include "controller/list/template_format.h"

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

/// A time since boot as this host's clock has it now.
std::string local_time(std::uint64_t boot_time_ns) {
    timespec now{}, since_boot{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
    const auto milliseconds = [](const timespec& time) {
        return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
    };
    const std::int64_t then = milliseconds(now) - milliseconds(since_boot) +
                              static_cast<std::int64_t>(boot_time_ns / 1'000'000);
    const std::time_t seconds = then / 1000;
    std::tm parts{};
    char text[32];
    ::localtime_r(&seconds, &parts);
    std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
    return fmt::format("{}.{:03}", text, then % 1000);
}

void print_json(const json& line) { fmt::print("{}\n", list::json_text(line)); }

constexpr const char* kWarning = "31";

/// The colour of a record's line: red is what was not seen, or is not as the daemon left it.
const char* colour_of(const RecordLine& line) {
    if (line.warns) return kWarning;
    return line.sequence ? "" : "2";
}

}  // namespace

ListPrinter::ListPrinter(const settings::Config& config, std::string format, bool follow,
                         std::vector<std::string> names)
    : format_(std::move(format)), follow_(follow), names_(std::move(names)) {
    if (config.journal.enabled && format_ == "events")
        actors_.emplace(JournalActors::of_this_boot(config.journal.directory));
}

void ListPrinter::print_text(const list::Entry& entry, std::uint64_t number,
                             std::string_view algorithm, Bytes digest, std::size_t size,
                             std::string_view name, const char* colour) {
    print_line(paper_,
               fmt::format("{:>6}  PCR {:<2}  {}:{:.16}…  {:>7} bytes  {}", number, entry.pcr,
                           measure::escape_name(algorithm), to_hex(digest), size, printable(name)),
               colour);
}

bool ListPrinter::is_wanted(std::string_view name) const {
    return names_.empty() || std::ranges::find(names_, name) != names_.end();
}

void ListPrinter::print_record(const list::Entry& entry, const list::LogicalRecord& record) {
    if (!is_wanted(record.name)) return;
    if (format_ == "json") return print_json(to_json(entry, record));
    const auto parsed = list::parse_record(record.name, record.buf);
    print_text(entry, record.entry, "sha256", hash(Algorithm::kSha256, record.buf),
               record.buf.size(), record.name, parsed ? colour_of(record_line(*parsed)) : kWarning);
}

void ListPrinter::print_entry(const list::Entry& entry, std::uint64_t number) {
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (!is_wanted(fields ? fields->name : std::string_view())) return;
    if (format_ == "json") {
        print_json(to_json(entry, number));
        return;
    }
    if (fields)
        print_text(entry, number, fields->algorithm, fields->digest,
                   fields->third() ? fields->third()->size() : 0, fields->name, "");
    else
        print_line(
            paper_,
            fmt::format("{:>6}  PCR {:<2}  {}", number, entry.pcr, printable(entry.template_name)),
            "");
}

std::string ListPrinter::who(const RecordLine& line) {
    if (!line.who.empty() || !line.sequence || !actors_) return line.who;
    // The journal's line is written just after the list's entry.
    constexpr int kTries = 50, kMilliseconds = 10;
    for (int i = 0;; ++i) {
        std::string known = actors_->who(*line.sequence, line.time);
        if (!known.empty() || !follow_ || i == kTries) return known;
        ::poll(nullptr, 0, kMilliseconds);
    }
}

void ListPrinter::print_line_of(RecordLine line) {
    const std::string by = who(line);
    const std::string time = line.time == 0 ? "" : local_time(line.time);
    if (paper_.width == 0) {
        fmt::print("{}\t{}\t{}\t{}\t{}\n", time, line.what, line.keyring, line.text, by);
        return;
    }
    constexpr std::size_t kTime = 23, kWhat = 11, kKeyring = 22, kGaps = 8, kLeast = 24;
    const std::size_t taken = kTime + kWhat + kKeyring + kGaps;
    const std::size_t left = paper_.width > taken + 2 * kLeast ? paper_.width - taken : 2 * kLeast;
    // Of a record without an actor the text has all of the room.
    const std::string text = by.empty() ? line.text : in_columns(line.text, left * 3 / 5);
    print_line(
        paper_,
        fmt::format("{}  {}  {}  {}{}{}", in_columns(time, kTime), in_columns(line.what, kWhat),
                    in_columns(line.keyring, kKeyring), text, by.empty() ? "" : "  ", by),
        colour_of(line));
}

/// A payload and the operation that it belongs to are one line.
Result<void> ListPrinter::print_event(const list::LogicalRecord& record) {
    const auto parsed = list::parse_record(record.name, record.buf);
    if (!parsed) return std::unexpected(parsed.error());
    const auto* event = std::get_if<list::Event>(&*parsed);
    const bool is_told = event != nullptr && event->plain;
    if (payload_ && !is_told) print_line_of(*payload_);
    payload_.reset();
    if (std::holds_alternative<list::Payload>(*parsed))
        payload_ = record_line(*parsed);
    else
        print_line_of(record_line(*parsed));
    return {};
}

/// A batch as the records in it: that is what was measured.
Result<void> ListPrinter::print(const list::Entry& entry, std::uint64_t number) {
    if (format_ == "ima") {
        fmt::print("{}", measure::text_line(entry.pcr, entry.stored_digest, entry.template_name,
                                            entry.template_data));
        return {};
    }
    bool unfolded = false;
    auto records = list::Unfolded::of(entry, number);
    // An event that cannot be read is not passed over; the other formats show the entry as it is.
    if (!records && format_ == "events") return std::unexpected(records.error());
    if (records)
        while (const auto record = records->next()) {
            unfolded = true;
            if (format_ == "events") {
                if (auto done = print_event(*record); !done) return done;
            } else {
                print_record(entry, *record);
            }
        }
    if (!unfolded && format_ != "events") print_entry(entry, number);
    return {};
}

void ListPrinter::finish() {
    if (payload_) print_line_of(*payload_);
    payload_.reset();
}

}  // namespace keyscribe::cli
