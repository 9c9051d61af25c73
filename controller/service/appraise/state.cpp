// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/state.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace keyscribe::appraise {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "keyscribe-appraisal-state";
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

bool has_shape(const json& header) {
    for (const char* text : {"format", "ak", "boot_id"})
        if (!header.contains(text) || !header[text].is_string()) return false;
    for (const char* number :
         {"version", "pcr", "reset_count", "restart_count", "clock", "entries", "bytes"})
        if (!header.contains(number) || !header[number].is_number_unsigned()) return false;
    return header.contains("values") && header["values"].is_object() && header["version"] == 1 &&
           header["format"] == kFormat;
}

/// What the header says of the kernel's list, whose bytes `state` has already.
Result<void> read_ima(const json& header, KeptState& state) {
    const auto ima = header.find("ima");
    if (ima == header.end()) {
        if (!state.ima.empty()) return fail("something behind the kept list", "state");
        return {};
    }
    const bool shaped = ima->is_object() && ima->contains("entries") &&
                        (*ima)["entries"].is_number_unsigned() && ima->contains("algorithm") &&
                        (*ima)["algorithm"].is_string() && ima->contains("sha256");
    const auto algorithm =
        shaped ? algorithm_named((*ima)["algorithm"].get<std::string>()) : std::nullopt;
    if (!algorithm || (*ima)["sha256"] != to_hex(sha256(state.ima)))
        return fail("a kernel's list that is not the one that was kept", "state");
    state.ima_entries = (*ima)["entries"];
    state.ima_algorithm = *algorithm;
    return {};
}

}  // namespace

Result<KeptState> parse_state(Bytes file) {
    const auto newline = std::ranges::find(file.first(std::min(file.size(), kMaxHeader)), '\n');
    const auto size = static_cast<std::size_t>(newline - file.begin());
    const json header = json::parse(file.begin(), newline, nullptr, false);
    if (!header.is_object() || !has_shape(header) || size >= file.size())
        return fail("not a kept state of an appraisal", "state",
                    "take it away to begin anew, with evidence that has the whole list");
    KeptState state{.ak = header["ak"],
                    .boot_id = header["boot_id"],
                    .pcr = header["pcr"],
                    .reset_count = header["reset_count"],
                    .restart_count = header["restart_count"],
                    .clock = header["clock"],
                    .entries = header["entries"],
                    .list = file.subspan(size + 1)};
    if (header.contains("quote")) {
        const auto quote = header["quote"].is_string()
                               ? digest_of(header["quote"], Algorithm::kSha256)
                               : std::nullopt;
        if (!quote) return fail("a quote's digest that is none", "state");
        std::ranges::copy(Bytes(*quote), state.quote.emplace().begin());
    }
    for (const auto& [name, value] : header["values"].items()) {
        const auto bank = algorithm_named(name);
        const auto digest =
            bank && value.is_string() ? digest_of(value.get<std::string>(), *bank) : std::nullopt;
        if (!digest) return fail("a PCR value that is none", "state");
        state.values.emplace_back(*bank, *digest);
    }
    std::ranges::sort(state.values, {}, &PcrBanks::value_type::first);
    const std::uint64_t bytes = header["bytes"];
    if (state.list.size() < bytes) return fail("a kept list that was cut short", "state");
    state.ima = state.list.subspan(bytes);
    state.list = state.list.first(bytes);
    if (auto read = read_ima(header, state); !read) return std::unexpected(read.error());
    if (header.contains("sha256") && header["sha256"] != to_hex(sha256(state.list)))
        return fail("a kept list that is not the one that was kept", "state");
    return state;
}

std::string state_header(const KeptState& state, Bytes kept, Bytes added) {
    json values = json::object();
    for (const auto& [bank, value] : state.values)
        values[std::string(name_of(bank))] = to_hex(value);
    json header{{"format", kFormat},
                {"version", 1},
                {"ak", state.ak},
                {"boot_id", state.boot_id},
                {"pcr", state.pcr},
                {"reset_count", state.reset_count},
                {"restart_count", state.restart_count},
                {"clock", state.clock},
                {"entries", state.entries},
                {"bytes", kept.size() + added.size()},
                {"sha256", to_hex(hash(Algorithm::kSha256, kept, added))},
                {"values", values}};
    if (!state.ima.empty())
        header["ima"] = {{"algorithm", name_of(state.ima_algorithm)},
                         {"entries", state.ima_entries},
                         {"sha256", to_hex(sha256(state.ima))}};
    if (state.quote) header["quote"] = to_hex(*state.quote);
    return header.dump() + '\n';
}

}  // namespace keyscribe::appraise
