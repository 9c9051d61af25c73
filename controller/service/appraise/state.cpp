// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/state.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace keyscribe::appraise {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "keyscribe-appraisal-state";
constexpr std::string_view kSnapshotFormat = "keyscribe-appraisal-snapshot";
// Of an extract: it goes up where one that was made before would be judged otherwise now.
constexpr unsigned kSnapshotVersion = 1;
constexpr std::size_t kMaxHeader = 8192;

std::optional<Digest> digest_of(const std::string& hex, Algorithm bank) {
    Digest digest{.size = size_of(bank)};
    if (hex.size() != 2 * digest.size) return std::nullopt;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto digit = kDigits.find(hex[i]);
        if (digit == kDigits.npos) return std::nullopt;
        digest.bytes[i / 2] = static_cast<std::uint8_t>(digest.bytes[i / 2] << 4 | digit);
    }
    return digest;
}

bool has_shape(const json& header, std::string_view format, unsigned version) {
    for (const char* text : {"format", "ak", "boot_id"})
        if (!header.contains(text) || !header[text].is_string()) return false;
    for (const char* number :
         {"version", "pcr", "reset_count", "restart_count", "clock", "entries", "bytes"})
        if (!header.contains(number) || !header[number].is_number_unsigned()) return false;
    for (const char* number : {"pcr", "reset_count", "restart_count"})
        if (header[number].get<std::uint64_t>() > UINT32_MAX) return false;
    return header.contains("values") && header["values"].is_object() &&
           header["version"] == version && header["format"] == format;
}

Result<PcrBanks> read_values(const json& object) {
    PcrBanks values;
    for (const auto& [name, value] : object.items()) {
        const auto bank = algorithm_named(name);
        const auto digest =
            bank && value.is_string() ? digest_of(value.get<std::string>(), *bank) : std::nullopt;
        if (!digest) return fail("a PCR value that is none", "state");
        values.emplace_back(*bank, *digest);
    }
    std::ranges::sort(values, {}, &PcrBanks::value_type::first);
    return values;
}

json json_of(const PcrBanks& values) {
    json object = json::object();
    for (const auto& [bank, value] : values) object[std::string(name_of(bank))] = to_hex(value);
    return object;
}

/// What the header says of the kernel's list, whose bytes `state` has already. Returns its digest,
/// where the header has it.
Result<json> read_ima(const json& header, KeptState& state) {
    const auto ima = header.find("ima");
    if (ima == header.end()) {
        if (!state.ima.empty()) return fail("something behind the kept list", "state");
        return json();
    }
    const bool shaped = ima->is_object() && ima->contains("entries") &&
                        (*ima)["entries"].is_number_unsigned() && ima->contains("algorithm") &&
                        (*ima)["algorithm"].is_string();
    const auto algorithm =
        shaped ? algorithm_named((*ima)["algorithm"].get<std::string>()) : std::nullopt;
    if (!algorithm || state.ima.empty())
        return fail("a kernel's list that is not the one that was kept", "state");
    state.ima_entries = (*ima)["entries"];
    state.ima_algorithm = *algorithm;
    return ima->value("sha256", json());
}

/// `state.list`: all that is behind the header.
Result<std::pair<KeptState, json>> parse_header(Bytes file, std::string_view format,
                                                unsigned version) {
    const auto newline = std::ranges::find(file.first(std::min(file.size(), kMaxHeader)), '\n');
    const auto size = static_cast<std::size_t>(newline - file.begin());
    const json header = json::parse(file.begin(), newline, nullptr, false);
    if (!header.is_object() || !has_shape(header, format, version) || size >= file.size())
        return fail("not a kept state of an appraisal", "state",
                    "take it away to begin anew, with evidence that has the whole list");
    KeptState state{.ak = header["ak"],
                    .boot_id = header["boot_id"],
                    .pcr = header["pcr"],
                    .reset_count = header["reset_count"],
                    .restart_count = header["restart_count"],
                    .clock = header["clock"],
                    .entries = header["entries"],
                    .bytes = header["bytes"],
                    .list = file.subspan(size + 1)};
    if (header.contains("quote")) {
        const auto quote = header["quote"].is_string()
                               ? digest_of(header["quote"], Algorithm::kSha256)
                               : std::nullopt;
        if (!quote) return fail("a quote's digest that is none", "state");
        std::ranges::copy(Bytes(*quote), state.quote.emplace().begin());
    }
    for (auto [member, to] :
         {std::pair{"values", &state.values}, std::pair{"before_kexec", &state.before_kexec}}) {
        auto values = read_values(header.value(member, json::object()));
        if (!values) return std::unexpected(values.error());
        *to = std::move(*values);
    }
    return std::pair(std::move(state), header);
}

json header_of(const KeptState& state, std::string_view format, unsigned version) {
    json header{{"format", format},
                {"version", version},
                {"ak", state.ak},
                {"boot_id", state.boot_id},
                {"pcr", state.pcr},
                {"reset_count", state.reset_count},
                {"restart_count", state.restart_count},
                {"clock", state.clock},
                {"entries", state.entries},
                {"values", json_of(state.values)}};
    if (!state.before_kexec.empty()) header["before_kexec"] = json_of(state.before_kexec);
    if (!state.ima.empty())
        header["ima"] = {{"algorithm", name_of(state.ima_algorithm)},
                         {"entries", state.ima_entries}};
    if (state.quote) header["quote"] = to_hex(*state.quote);
    return header;
}

}  // namespace

Result<KeptState> parse_state(Bytes file) {
    auto parsed = parse_header(file, kFormat, 1);
    if (!parsed) return std::unexpected(parsed.error());
    auto& [state, header] = *parsed;
    if (state.list.size() < state.bytes) return fail("a kept list that was cut short", "state");
    state.ima = state.list.subspan(state.bytes);
    state.list = state.list.first(state.bytes);
    const auto digest = read_ima(header, state);
    if (!digest) return std::unexpected(digest.error());
    if (!state.ima.empty() && *digest != to_hex(sha256(state.ima)))
        return fail("a kernel's list that is not the one that was kept", "state");
    if (header.contains("sha256") && header["sha256"] != to_hex(sha256(state.list)))
        return fail("a kept list that is not the one that was kept", "state");
    return std::move(state);
}

Result<KeptState> parse_snapshot(Bytes file, Bytes ima) {
    auto parsed = parse_header(file, kSnapshotFormat, kSnapshotVersion);
    if (!parsed) return std::unexpected(parsed.error());
    auto& [state, header] = *parsed;
    state.extract = std::exchange(state.list, {});
    if (header.value("sha256", json()) != to_hex(sha256(*state.extract)))
        return fail("an extract that is not the one that was kept", "state");
    state.ima = ima;
    if (const auto read = read_ima(header, state); !read) return std::unexpected(read.error());
    return std::move(state);
}

std::string state_header(const KeptState& state, Bytes kept, Bytes added) {
    json header = header_of(state, kFormat, 1);
    header["bytes"] = kept.size() + added.size();
    header["sha256"] = to_hex(hash(Algorithm::kSha256, kept, added));
    if (!state.ima.empty()) header["ima"]["sha256"] = to_hex(sha256(state.ima));
    return header.dump() + '\n';
}

std::string state_header(const KeptState& state) {
    json header = header_of(state, kFormat, 1);
    header["bytes"] = state.bytes;
    if (!state.ima.empty()) header["ima"]["sha256"] = to_hex(sha256(state.ima));
    return header.dump() + '\n';
}

std::string snapshot_header(const KeptState& state, Bytes extract) {
    json header = header_of(state, kSnapshotFormat, kSnapshotVersion);
    // The evidence that it is of is judged again by it.
    header.erase("quote");
    header["bytes"] = state.bytes;
    header["sha256"] = to_hex(sha256(extract));
    return header.dump() + '\n';
}

}  // namespace keyscribe::appraise
