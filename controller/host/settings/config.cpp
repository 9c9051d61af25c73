// SPDX-License-Identifier: Apache-2.0
#include "controller/host/settings/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <sstream>
#include <vector>

#include "controller/base/toml.h"
#include "policy/text.h"

namespace keyscribe::settings {
namespace {

/// Reads one value into the configuration; the text says what would have been right.
using Setter = std::function<std::optional<std::string>(const toml::node&)>;

struct Setting {
    std::string_view name;
    Setter set;
};

struct Table {
    std::string_view name;
    std::vector<Setting> settings;
};

/// A number, and a unit out of `units`, as in "8 MiB" and "5min". A bare number needs no unit.
struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array kSizes = {Unit{"", 1}, Unit{"KiB", 1u << 10}, Unit{"MiB", 1u << 20},
                               Unit{"GiB", 1u << 30}};
constexpr std::array kTimes = {Unit{"", 1}, Unit{"s", 1}, Unit{"min", 60}, Unit{"h", 3600}};

std::optional<std::uint64_t> parse_quantity(const toml::node& node, std::span<const Unit> units) {
    if (const auto number = node.value_exact<std::int64_t>())
        return *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
    const auto text = node.value_exact<std::string_view>();
    if (!text) return std::nullopt;
    std::uint64_t number = 0;
    const char* end = text->data() + text->size();
    const auto [rest, error] = std::from_chars(text->data(), end, number);
    if (error != std::errc()) return std::nullopt;
    std::string_view unit(rest, end);
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    for (const Unit& known : units)
        if (unit == known.name && number <= UINT64_MAX / known.factor) return number * known.factor;
    return std::nullopt;
}

Setter text_into(std::string& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value || value->empty()) return "a text in quotes";
        to = *value;
        return std::nullopt;
    };
}

Setter choice_into(std::string& to, std::vector<std::string> choices) {
    return [&to, choices](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (value && std::ranges::find(choices, *value) != choices.end()) {
            to = *value;
            return std::nullopt;
        }
        std::string expected = "one of";
        for (const std::string& choice : choices) expected += " \"" + choice + '"';
        return expected;
    };
}

Setter path_into(std::filesystem::path& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value || !value->starts_with('/')) return "an absolute path in quotes";
        to = *value;
        return std::nullopt;
    };
}

Setter flag_into(bool& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<bool>();
        if (!value) return "true or false";
        to = *value;
        return std::nullopt;
    };
}

template <class Number>
Setter number_into(Number& to, std::uint64_t low, std::uint64_t high) {
    return [&to, low, high](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < 0 || static_cast<std::uint64_t>(*value) < low ||
            static_cast<std::uint64_t>(*value) > high)
            return "a number from " + std::to_string(low) + " to " + std::to_string(high);
        to = static_cast<Number>(*value);
        return std::nullopt;
    };
}

template <class Number>
Setter size_into(Number& to, std::uint64_t low, std::uint64_t high, bool power_of_two = false) {
    return [=, &to](const toml::node& node) -> std::optional<std::string> {
        const auto value = parse_quantity(node, kSizes);
        if (value && *value >= low && *value <= high &&
            (!power_of_two || std::has_single_bit(*value))) {
            to = static_cast<Number>(*value);
            return std::nullopt;
        }
        return std::string(power_of_two ? "a power of two" : "a size") + " from " +
               std::to_string(low >> 10) + " KiB to " + std::to_string(high >> 20) +
               " MiB, as in \"8 MiB\"";
    };
}

Setter time_into(std::chrono::seconds& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = parse_quantity(node, kTimes);
        if (!value || *value > 10ull * 365 * 86400)
            return "a time, as in \"90s\", \"5min\", \"2h\"; 0: none";
        to = std::chrono::seconds(*value);
        return std::nullopt;
    };
}

std::vector<Table> settings_of(Config& config) {
    constexpr std::uint64_t kKiB = 1 << 10, kMiB = 1 << 20;
    return {
        {"tpm",
         {{"tcti", text_into(config.tpm.tcti)},
          {"pcr", number_into(config.tpm.pcr, 0, 23)},
          {"force_resettable_pcr", flag_into(config.tpm.force_resettable_pcr)}}},
        {"attest",
         {{"ak_handle", number_into(config.attest.ak_handle, 0x81000000, 0x817fffff)},
          {"ek", choice_into(config.attest.ek, {"rsa", "ecc"})}}},
        {"capture",
         {{"ring_size", size_into(config.capture.ring_size, 64 * kKiB, 256 * kMiB, true)},
          {"hook", choice_into(config.capture.hook, {"auto", "lsm", "fentry", "ima"})},
          {"detach_on_stop", flag_into(config.capture.detach_on_stop)}}},
        {"spool",
         {{"max_size", size_into(config.spool.max_size, 64 * kKiB, 4096 * kMiB)},
          {"deadline", time_into(config.spool.deadline)}}},
        {"policy", {{"directory", path_into(config.policy.directory)}}},
        {"list",
         {{"directory", path_into(config.list.directory)},
          {"former", path_into(config.list.former)},
          {"text", flag_into(config.list.text)},
          {"max_share", number_into(config.list.max_share, 1, 95)},
          {"user_budget", size_into(config.list.user_budget, 0, 4096 * kMiB)}}},
        {"journal",
         {{"enabled", flag_into(config.journal.enabled)},
          {"directory", path_into(config.journal.directory)},
          {"max_size", size_into(config.journal.max_size, 64 * kKiB, 4096 * kMiB)},
          {"files", number_into(config.journal.files, 1, 1000)}}},
        {"control",
         {{"socket", path_into(config.control.socket)},
          {"group", text_into(config.control.group)}}},
        {"verifier", {{"directory", path_into(config.verifier.directory)}}},
        {"log", {{"level", choice_into(config.log.level, {"debug", "info", "warning", "error"})}}},
    };
}

std::string at(const std::string& file, const toml::source_region& source) {
    return file + ':' + std::to_string(source.begin.line) + ':' +
           std::to_string(source.begin.column);
}

/// "did you mean ...?" where one is close, else all of them.
template <class Named>
std::string suggestion(const std::vector<Named>& all, std::string_view name) {
    std::vector<std::string_view> names;
    for (const Named& one : all) names.push_back(one.name);
    if (const auto meant = policy::closest(name, names); !meant.empty())
        return "did you mean " + policy::quote(meant) + "?";
    return "known are: " + policy::join(names, ", ");
}

template <class Named>
const Named* find_named(const std::vector<Named>& all, std::string_view name) {
    const auto found = std::ranges::find(all, name, &Named::name);
    return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::uint32_t ring_size_for(std::uint64_t memory) {
    constexpr std::uint64_t kSmallest = 8u << 20, kLargest = 64u << 20, kShare = 256;
    return static_cast<std::uint32_t>(
        std::bit_ceil(std::clamp(memory / kShare, kSmallest, kLargest)));
}

std::uint32_t default_ring_size() {
    const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
    return ring_size_for(pages > 0 && page > 0 ? std::uint64_t(pages) * std::uint64_t(page) : 0);
}

Result<Config> parse_config(std::string_view text, const std::string& file) {
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed)
        return fail(policy::escape(parsed.error().description()), at(file, parsed.error().source()),
                    "it has to be TOML: see toml.io");
    Config config;
    const std::vector<Table> tables = settings_of(config);
    for (const auto& [table_name, table_node] : parsed.table()) {
        const Table* known = find_named(tables, table_name.str());
        if (known == nullptr)
            return fail("unknown section or setting " + policy::quote(table_name.str()),
                        at(file, table_name.source()), suggestion(tables, table_name.str()));
        const toml::table* table = table_node.as_table();
        if (table == nullptr)
            return fail("'" + std::string(table_name.str()) + "' is a section",
                        at(file, table_name.source()),
                        "write [" + std::string(table_name.str()) + "] on a line of its own");
        for (const auto& [name, node] : *table) {
            const Setting* setting = find_named(known->settings, name.str());
            const std::string full = std::string(known->name) + '.' + std::string(name.str());
            if (setting == nullptr)
                return fail("unknown setting " + policy::quote(full), at(file, name.source()),
                            suggestion(known->settings, name.str()));
            if (const auto expected = setting->set(node))
                return fail("bad value for '" + full + "'", at(file, node.source()),
                            "expected " + *expected);
        }
    }
    return config;
}

Result<Config> load_config(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
        if (errno == ENOENT) return Config{};
        return fail_errno("cannot read the configuration", file.string());
    }
    stream.peek();
    if (stream.bad()) return fail_errno("cannot read the configuration", file.string());
    std::ostringstream text;
    text << stream.rdbuf();
    return parse_config(text.str(), file.string());
}

}  // namespace keyscribe::settings
