// SPDX-License-Identifier: Apache-2.0
#include "controller/base/settings_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include "policy/text.h"

namespace keyscribe::base {
namespace {

/// A number, and a unit out of `units`, as in "8 MiB" and "5min". A bare number needs no unit.
struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array kSizes = {Unit{"", 1}, Unit{"KiB", 1u << 10}, Unit{"MiB", 1u << 20},
                               Unit{"GiB", 1u << 30}};
constexpr std::array kTimes = {Unit{"", 1}, Unit{"s", 1}, Unit{"min", 60}, Unit{"h", 3600}};

std::optional<std::uint64_t> parse_quantity(const toml::node& node, std::span<const Unit> units) {
    if (const auto number = detail::number_of(node)) return number;
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

std::string at(const std::string& file, const toml::source_region& source) {
    return file + ':' + std::to_string(source.begin.line) + ':' +
           std::to_string(source.begin.column);
}

/// "did you mean ...?" where one is close, else all of them.
std::string suggestion(const std::vector<std::string_view>& names, std::string_view name) {
    if (const auto meant = policy::closest(name, names); !meant.empty())
        return "did you mean " + policy::quote(meant) + "?";
    return "known are: " + policy::join(names, ", ");
}

std::vector<std::string_view> tables_of(std::span<const Setting> known) {
    std::vector<std::string_view> names;
    for (const Setting& setting : known)
        if (std::ranges::find(names, setting.table) == names.end()) names.push_back(setting.table);
    return names;
}

Result<void> read_table(std::string_view name, const toml::table& table, const std::string& file,
                        std::span<const Setting> known) {
    std::vector<std::string_view> names;
    for (const Setting& setting : known)
        if (setting.table == name) names.push_back(setting.name);
    for (const auto& [key, node] : table) {
        const std::string full = std::string(name) + '.' + std::string(key.str());
        const auto setting = std::ranges::find_if(
            known, [&](const Setting& one) { return one.table == name && one.name == key.str(); });
        if (setting == known.end())
            return fail("unknown setting " + policy::quote(full), at(file, key.source()),
                        suggestion(names, key.str()));
        if (const auto expected = setting->set(node))
            return fail("bad value for '" + full + "'", at(file, node.source()),
                        "expected " + *expected);
    }
    return {};
}

}  // namespace

Result<void> read_settings(std::string_view text, const std::string& file,
                           std::span<const Setting> known) {
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed)
        return fail(policy::escape(parsed.error().description()), at(file, parsed.error().source()),
                    "it has to be TOML: see toml.io");
    const auto tables = tables_of(known);
    for (const auto& [name, node] : parsed.table()) {
        if (std::ranges::find(tables, name.str()) == tables.end())
            return fail("unknown section or setting " + policy::quote(name.str()),
                        at(file, name.source()), suggestion(tables, name.str()));
        const toml::table* table = node.as_table();
        if (table == nullptr)
            return fail("'" + std::string(name.str()) + "' is a section", at(file, name.source()),
                        "write [" + std::string(name.str()) + "] on a line of its own");
        if (auto done = read_table(name.str(), *table, file, known); !done) return done;
    }
    return {};
}

Result<void> read_settings_file(const std::filesystem::path& file, std::span<const Setting> known) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
        if (errno == ENOENT) return {};
        return fail_errno("cannot read the configuration", file.string());
    }
    stream.peek();
    if (stream.bad()) return fail_errno("cannot read the configuration", file.string());
    std::ostringstream text;
    text << stream.rdbuf();
    return read_settings(text.str(), file.string(), known);
}

Setter text_into(std::string& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value || value->empty()) return "a text in quotes";
        to = *value;
        return std::nullopt;
    };
}

Setter any_text_into(std::string& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value) return "a text in quotes";
        to = *value;
        return std::nullopt;
    };
}

Setter choice_into(std::string& to, std::vector<std::string> choices) {
    return
        [&to, choices = std::move(choices)](const toml::node& node) -> std::optional<std::string> {
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

Setter time_into(std::chrono::seconds& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = parse_quantity(node, kTimes);
        if (!value || *value > 10ull * 365 * 86400)
            return "a time, as in \"90s\", \"5min\", \"2h\"; 0: none";
        to = std::chrono::seconds(*value);
        return std::nullopt;
    };
}

namespace detail {

std::optional<std::uint64_t> number_of(const toml::node& node) {
    const auto number = node.value_exact<std::int64_t>();
    if (!number || *number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
}

std::optional<std::uint64_t> size_of(const toml::node& node) {
    return parse_quantity(node, kSizes);
}

std::string expected_size(std::uint64_t low, std::uint64_t high, bool power_of_two) {
    return std::string(power_of_two ? "a power of two" : "a size") + " from " +
           std::to_string(low >> 10) + " KiB to " + std::to_string(high >> 20) +
           " MiB, as in \"8 MiB\"";
}

}  // namespace detail

}  // namespace keyscribe::base
