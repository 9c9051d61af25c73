// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/pcr_users.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "controller/list/list_reader.h"
#include "controller/service/firmware/event_log.h"

namespace keyscribe::cli {
namespace {

using nlohmann::json;

constexpr const char* kOtherPcr =
    "set another pcr in /etc/keyscribe/keyscribe.toml, reboot, and say so in the service's "
    "appraisal.toml ([evidence] pcr)";

std::string counted(std::size_t number, const char* what) {
    return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

bool is_of_pcr(const json& record, unsigned pcr) {
    const auto found = record.find("pcr");
    return found != record.end() && found->is_number_unsigned() && *found == pcr;
}

std::string text_member(const json& record, const char* name) {
    const auto found = record.find(name);
    return found != record.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::optional<PcrUse> use_by_firmware(unsigned pcr, Bytes log) {
    const auto parsed = firmware::parse_event_log(log);
    if (!parsed) return std::nullopt;
    const std::size_t events = parsed->of_pcr(pcr).size();
    if (events == 0) return std::nullopt;
    // What systemd-stub measures of system extensions is one event, or two.
    constexpr std::size_t kExplained = 2;
    PcrUse use{.text = "the firmware and the boot loader made " + counted(events, "extend") +
                       " of it: it does not begin with zeros",
               .remedy = ""};
    if (events <= kExplained)
        use.text += "; evidence carries the firmware's log, which explains that";
    else
        use.remedy = kOtherPcr;
    return use;
}

std::optional<PcrUse> use_by_systemd(unsigned pcr, std::string_view log) {
    std::size_t separators = 0;
    std::vector<std::string> others;
    std::size_t number = 0;
    while (!log.empty()) {
        const std::size_t end = std::min(log.find('\x1e'), log.size());
        const json record = json::parse(log.substr(0, end), nullptr, false);
        log.remove_prefix(std::min(end + 1, log.size()));
        if (!record.is_object() || !is_of_pcr(record, pcr)) continue;
        const auto content = record.find("content");
        const json& told = content != record.end() && content->is_object() ? *content : record;
        const std::string type = text_member(told, "eventType");
        if (type == "os-separator") {
            ++separators;
            continue;
        }
        ++number;
        if (std::ranges::find(others, type) == others.end()) others.push_back(type);
    }
    if (number == 0 && separators == 0) return std::nullopt;
    if (number == 0)
        return PcrUse{.text = "systemd extended os-separator into it; an appraisal knows that",
                      .remedy = ""};
    std::string types;
    for (const std::string& type : others)
        if (!type.empty()) types += (types.empty() ? " (" : ", ") + type;
    if (!types.empty()) types += ')';
    return PcrUse{.text = "systemd made " + counted(number, "extend") + " of it" + types +
                          ": each is a foreign extend, which contraindicates",
                  .remedy = kOtherPcr};
}

std::optional<PcrUse> use_by_pcrlock(unsigned pcr, std::string_view policy) {
    const json parsed = json::parse(policy, nullptr, false);
    const auto values = parsed.is_object() ? parsed.find("pcrValues") : parsed.end();
    if (!parsed.is_object() || values == parsed.end() || !values->is_array()) return std::nullopt;
    const bool relies = std::ranges::any_of(
        *values, [&](const json& one) { return one.is_object() && is_of_pcr(one, pcr); });
    if (!relies) return std::nullopt;
    return PcrUse{
        .text =
            "systemd-pcrlock's policy relies on its value, which changes with each "
            "entry of the list: what is bound to that policy will not unlock",
        .remedy = "systemd-pcrlock make-policy --pcr=..., without " + std::to_string(pcr)};
}

std::optional<PcrUse> use_by_ima(unsigned pcr, Bytes list) {
    list::ListReader reader(list);
    std::size_t entries = 0;
    for (auto entry = reader.next(); entry && *entry; entry = reader.next())
        if ((*entry)->pcr == pcr) ++entries;
    // boot_aggregate alone is taken over into the list.
    if (entries == 0 || (entries == 1 && pcr == 10)) return std::nullopt;
    return PcrUse{.text = "IMA made " + counted(entries, "extend") +
                          " of it: each is a foreign extend, which contraindicates",
                  .remedy = kOtherPcr};
}

}  // namespace keyscribe::cli
