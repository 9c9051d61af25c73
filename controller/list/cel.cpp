// SPDX-License-Identifier: Apache-2.0
#include "controller/list/cel.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "controller/list/cbor_stream.h"
#include "controller/list/json_text.h"

namespace keyscribe::list {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kImaTemplate = 7;  // CEL 1.1, table 2
constexpr std::size_t kMaxDigests = 16;

/// An entry's record, with views.
struct ToWrite {
    const Entry& entry;
    std::uint64_t recnum;
    std::vector<std::pair<Algorithm, Digest>> digests;
};

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxTemplateName &&
           std::ranges::all_of(name, [](char letter) { return letter > ' ' && letter <= '~'; });
}

void append_json(std::string& to, const ToWrite& record) {
    ordered_json digests = ordered_json::array();
    for (const auto& [bank, digest] : record.digests)
        digests.push_back({{"hashAlg", name_of(bank)}, {"digest", to_hex(digest)}});
    const ordered_json json = {{"recnum", record.recnum},
                               {"pcr", record.entry.pcr},
                               {"digests", std::move(digests)},
                               {"content_type", "ima_template"},
                               {"content",
                                {{"template_name", record.entry.template_name},
                                 {"template_data", to_hex(record.entry.template_data)}}}};
    to += to.empty() ? "[\n" : ",\n";
    to += json_text(json);
}

void append_cbor(CborWriter& writer, const ToWrite& record) {
    const auto number = [&writer](std::uint64_t key, std::uint64_t value) {
        writer.head(CborType::kUint, key);
        writer.head(CborType::kUint, value);
    };
    writer.head(CborType::kMap, 5);
    number(0, record.recnum);
    number(1, record.entry.pcr);
    writer.head(CborType::kUint, 3);
    writer.head(CborType::kArray, record.digests.size());
    for (const auto& [bank, digest] : record.digests) {
        writer.head(CborType::kMap, 2);
        number(0, static_cast<std::uint16_t>(bank));
        writer.head(CborType::kUint, 1);
        writer.bytes(digest);
    }
    number(9, kImaTemplate);
    writer.head(CborType::kUint, 10);
    writer.head(CborType::kMap, 2);
    writer.head(CborType::kUint, 0);
    writer.text(record.entry.template_name);
    writer.head(CborType::kUint, 1);
    writer.bytes(record.entry.template_data);
}

void append_tlv(std::vector<std::uint8_t>& to, std::uint64_t type, Bytes value) {
    to.push_back(static_cast<std::uint8_t>(type));
    for (const int shift : {24, 16, 8, 0})
        to.push_back(static_cast<std::uint8_t>(value.size() >> shift));
    to.insert(to.end(), value.begin(), value.end());
}

void append_tlv(std::vector<std::uint8_t>& to, const ToWrite& record) {
    std::array<std::uint8_t, 8> recnum;
    for (int i = 0; i < 8; ++i)
        recnum[i] = static_cast<std::uint8_t>(record.recnum >> (56 - 8 * i));
    const std::array pcr = {static_cast<std::uint8_t>(record.entry.pcr)};
    std::vector<std::uint8_t> digests, content;
    for (const auto& [bank, digest] : record.digests)
        append_tlv(digests, static_cast<std::uint16_t>(bank), digest);
    append_tlv(content, 0, as_bytes(record.entry.template_name));
    append_tlv(content, 1, record.entry.template_data);
    append_tlv(to, 0, recnum);
    append_tlv(to, 1, pcr);
    append_tlv(to, 3, digests);
    append_tlv(to, kImaTemplate, content);
}

std::unexpected<Error> refuse(std::string what, std::size_t record) {
    return fail("not a canonical event log of IMA's entries: " + what,
                "record " + std::to_string(record));
}

/// False: a digest of an unknown algorithm, of another size, or a second one of its bank.
bool add_digest(CelRecord& record, std::optional<Algorithm> bank, Bytes value) {
    if (!bank || value.size() != size_of(*bank) || record.digests.size() == kMaxDigests)
        return false;
    for (const auto& [other, digest] : record.digests)
        if (other == *bank) return false;
    Digest digest{.size = value.size()};
    std::ranges::copy(value, digest.bytes.begin());
    record.digests.emplace_back(*bank, digest);
    return true;
}

Result<CelRecord> read_json(const ordered_json& json, std::size_t number) {
    const auto bad = [&] {
        return refuse("a member is missing, unknown, or of another type", number);
    };
    CelRecord record;
    if (!json.is_object() || json.size() != 5) return bad();
    for (const char* key : {"recnum", "pcr", "digests", "content_type", "content"})
        if (!json.contains(key)) return bad();
    const ordered_json& content = json["content"];
    if (!json["recnum"].is_number_unsigned() || !json["pcr"].is_number_unsigned() ||
        !json["digests"].is_array() || json["content_type"] != "ima_template" ||
        !content.is_object() || content.size() != 2 || !content.contains("template_name") ||
        !content.contains("template_data") || !content["template_name"].is_string() ||
        !content["template_data"].is_string())
        return bad();
    record.recnum = json["recnum"].get<std::uint64_t>();
    record.pcr = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(json["pcr"].get<std::uint64_t>(), UINT32_MAX));
    record.template_name = content["template_name"].get_ref<const std::string&>();
    auto data = from_hex(content["template_data"].get_ref<const std::string&>());
    if (!data) return refuse("template_data is not hexadecimal", number);
    record.template_data = std::move(*data);
    for (const ordered_json& each : json["digests"]) {
        if (!each.is_object() || each.size() != 2 || !each.contains("hashAlg") ||
            !each.contains("digest") || !each["hashAlg"].is_string() || !each["digest"].is_string())
            return bad();
        const auto value = from_hex(each["digest"].get_ref<const std::string&>());
        if (!value ||
            !add_digest(record, algorithm_named(each["hashAlg"].get_ref<const std::string&>()),
                        *value))
            return refuse("a digest that does not fit its algorithm", number);
    }
    return record;
}

CelRecord read_cbor(CborReader& reader) {
    CelRecord record;
    if (reader.map() != 5) reader.refuse("a record with more or fewer than five members");
    reader.key(0);
    record.recnum = reader.uint();
    reader.key(1);
    record.pcr = static_cast<std::uint32_t>(std::min<std::uint64_t>(reader.uint(), UINT32_MAX));
    reader.key(3);
    const std::uint64_t digests = reader.array();
    for (std::uint64_t i = 0; i < digests && !reader.error(); ++i) {
        if (reader.map() != 2) reader.refuse("a digest with more or fewer than two members");
        reader.key(0);
        const std::uint64_t bank = reader.uint();
        reader.key(1);
        const Bytes value = reader.bytes(64);
        const auto algorithm =
            bank <= UINT16_MAX ? algorithm_of(static_cast<std::uint16_t>(bank)) : std::nullopt;
        if (!add_digest(record, algorithm, value))
            reader.refuse("a digest that does not fit its algorithm");
    }
    reader.key(9);
    if (reader.uint() != kImaTemplate) reader.refuse("content of another type than ima_template");
    reader.key(10);
    if (reader.map() != 2) reader.refuse("content with more or fewer than two members");
    reader.key(0);
    record.template_name = reader.text(kMaxTemplateName);
    reader.key(1);
    const Bytes data = reader.bytes(kMaxTemplateData);
    record.template_data = {data.begin(), data.end()};
    return record;
}

/// The field at the beginning of `rest`, which is then behind it.
std::optional<std::pair<std::uint8_t, Bytes>> take_tlv(Bytes& rest) {
    if (rest.size() < 5) return std::nullopt;
    std::uint32_t size = 0;
    for (const std::uint8_t byte : rest.subspan(1, 4)) size = size << 8 | byte;
    if (size > rest.size() - 5) return std::nullopt;
    const std::pair field{rest[0], rest.subspan(5, size)};
    rest = rest.subspan(5 + std::size_t{size});
    return field;
}

/// As above, of this type alone.
std::optional<Bytes> take_tlv(Bytes& rest, std::uint8_t type) {
    const auto field = take_tlv(rest);
    return field && field->first == type ? std::optional(field->second) : std::nullopt;
}

std::optional<CelRecord> read_tlv(Bytes& rest) {
    CelRecord record;
    const auto recnum = take_tlv(rest, 0), pcr = take_tlv(rest, 1);
    auto digests = take_tlv(rest, 3), content = take_tlv(rest, kImaTemplate);
    if (!recnum || recnum->size() != 8 || !pcr || pcr->size() != 1 || !digests || !content)
        return std::nullopt;
    for (const std::uint8_t byte : *recnum) record.recnum = record.recnum << 8 | byte;
    record.pcr = pcr->front();
    while (!digests->empty()) {
        const auto digest = take_tlv(*digests);
        if (!digest || !add_digest(record, algorithm_of(digest->first), digest->second))
            return std::nullopt;
    }
    const auto name = take_tlv(*content, 0), data = take_tlv(*content, 1);
    if (!name || !data || !content->empty()) return std::nullopt;
    record.template_name.assign(name->begin(), name->end());
    record.template_data = {data->begin(), data->end()};
    return record;
}

Result<std::vector<CelRecord>> read_records(Bytes log, CelFormat format) {
    std::vector<CelRecord> records;
    if (format == CelFormat::kJson) {
        // As deep as a log is, and no deeper.
        const auto flat = [](int depth, ordered_json::parse_event_t, ordered_json&) {
            return depth <= 4;
        };
        const ordered_json json = ordered_json::parse(log.begin(), log.end(), flat, false);
        if (!json.is_array()) return refuse("not a JSON array", 0);
        for (const ordered_json& each : json) {
            auto record = read_json(each, records.size());
            if (!record) return std::unexpected(record.error());
            records.push_back(std::move(*record));
        }
    } else if (format == CelFormat::kCbor) {
        CborReader reader(log);
        const std::uint64_t size = reader.array();
        while (records.size() < size && !reader.error()) records.push_back(read_cbor(reader));
        if (!reader.error() && !reader.at_end()) reader.refuse("bytes behind the log");
        if (reader.error()) return refuse(reader.error()->what, records.size());
    } else {
        while (!log.empty()) {
            auto record = read_tlv(log);
            if (!record) return refuse("a field is missing, unknown, or cut short", records.size());
            records.push_back(std::move(*record));
        }
    }
    return records;
}

}  // namespace

std::optional<CelFormat> cel_format_named(std::string_view name) {
    if (name == "cel-json") return CelFormat::kJson;
    if (name == "cel-cbor") return CelFormat::kCbor;
    if (name == "cel-tlv") return CelFormat::kTlv;
    return std::nullopt;
}

Result<std::vector<std::uint8_t>> write_cel(std::span<const Entry> entries,
                                            const std::vector<Algorithm>& banks, CelFormat format) {
    std::map<std::uint32_t, std::uint64_t> next;  // recnum, of each PCR
    std::string json;
    std::vector<std::uint8_t> tlv;
    CborWriter cbor(4096);
    cbor.head(CborType::kArray, entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& entry = entries[i];
        if (!is_name(entry.template_name) || entry.pcr > 255)
            return refuse("a PCR or a template's name that it cannot have", i);
        ToWrite record{.entry = entry, .recnum = next[entry.pcr]++, .digests = {}};
        for (const Algorithm bank : banks)
            record.digests.emplace_back(bank, extend_value(entry, bank));
        if (format == CelFormat::kJson)
            append_json(json, record);
        else if (format == CelFormat::kCbor)
            append_cbor(cbor, record);
        else
            append_tlv(tlv, record);
    }
    if (format == CelFormat::kTlv) return tlv;
    if (format == CelFormat::kCbor) return cbor.take();
    json += json.empty() ? "[]\n" : "\n]\n";
    return std::vector<std::uint8_t>(json.begin(), json.end());
}

Result<std::vector<CelRecord>> read_cel(Bytes log, CelFormat format) {
    auto records = read_records(log, format);
    if (!records) return records;
    std::map<std::uint32_t, std::uint64_t> next;
    for (std::size_t i = 0; i < records->size(); ++i) {
        const CelRecord& record = (*records)[i];
        if (record.pcr > 255 || !is_name(record.template_name) || record.digests.empty())
            return refuse("a PCR, a template's name or digests that it cannot have", i);
        if (record.recnum != next[record.pcr]++)
            return refuse("recnum does not count from 0 in its PCR", i);
    }
    return records;
}

}  // namespace keyscribe::list
