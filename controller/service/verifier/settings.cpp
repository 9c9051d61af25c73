// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include "controller/base/toml.h"

namespace keyscribe::verifier {
namespace {

/// Puts a value into the settings. Returns what would have been right where it is not.
using Put = std::function<std::optional<std::string>(const toml::node&)>;

struct Entry {
    std::string_view table, name;
    Put put;
};

Put text(std::string& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value) return "a text in quotes";
        to = *value;
        return std::nullopt;
    };
}

Put path(std::filesystem::path& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::string>();
        if (!value || !value->starts_with('/')) return "an absolute path in quotes";
        to = *value;
        return std::nullopt;
    };
}

Put flag(bool& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<bool>();
        if (!value) return "true or false";
        to = *value;
        return std::nullopt;
    };
}

template <class Number>
Put number(Number& to, std::int64_t low, std::int64_t high) {
    return [&to, low, high](const toml::node& node) -> std::optional<std::string> {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < low || *value > high)
            return "a number from " + std::to_string(low) + " to " + std::to_string(high);
        to = static_cast<Number>(*value);
        return std::nullopt;
    };
}

/// "64 MiB", or a number of bytes.
Put size(std::uint64_t& to, std::uint64_t low, std::uint64_t high) {
    return [&to, low, high](const toml::node& node) -> std::optional<std::string> {
        constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits = {
            {{"", 1}, {" KiB", 1u << 10}, {" MiB", 1u << 20}, {" GiB", 1u << 30}}};
        std::optional<std::uint64_t> value;
        if (const auto bytes = node.value_exact<std::int64_t>(); bytes && *bytes >= 0)
            value = static_cast<std::uint64_t>(*bytes);
        if (const auto written = node.value_exact<std::string_view>()) {
            std::uint64_t count = 0;
            const char* end = written->data() + written->size();
            const auto [rest, error] = std::from_chars(written->data(), end, count);
            for (const auto& [unit, factor] : kUnits)
                if (error == std::errc() && std::string_view(rest, end) == unit && count <= high)
                    value = count * factor;
        }
        if (!value || *value < low || *value > high)
            return "a size from " + std::to_string(low >> 10) + " KiB to " +
                   std::to_string(high >> 20) + " MiB, as in \"64 MiB\"";
        to = *value;
        return std::nullopt;
    };
}

Put choice(std::string& to, const std::vector<std::string>& choices) {
    return [&to, choices](const toml::node& node) -> std::optional<std::string> {
        std::string expected = "one of";
        for (const std::string& one : choices) {
            if (node.value_exact<std::string>() == one) return to = one, std::nullopt;
            expected += " \"" + one + '"';
        }
        return expected;
    };
}

Put urls(std::vector<std::string>& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const toml::array* array = node.as_array();
        std::vector<std::string> all;
        if (array != nullptr)
            for (const toml::node& one : *array)
                if (const auto url = one.value_exact<std::string>();
                    url && (url->starts_with("https://") || url->starts_with("http://")))
                    all.push_back(*url);
        if (array == nullptr || all.size() != array->size())
            return "a list of addresses that begin with https:// or http://";
        to = std::move(all);
        return std::nullopt;
    };
}

std::vector<Entry> entries(Settings& to) {
    constexpr std::int64_t kDay = 86400;
    return {
        {"store", "url", text(to.store.url)},
        {"store", "connections", number(to.store.connections, 2, 1000)},
        {"listen", "address", text(to.listen.address)},
        {"listen", "port", number(to.listen.port, 0, 65535)},
        {"listen", "name", text(to.listen.name)},
        {"tls", "certificate", path(to.tls.certificate)},
        {"tls", "key", path(to.tls.key)},
        {"tls", "operators_ca", path(to.tls.operators_ca)},
        {"limits", "head", size(to.limits.head, 1u << 10, 1u << 20)},
        {"limits", "body", size(to.limits.body, 64u << 10, 1u << 30)},
        {"limits", "bodies", size(to.limits.bodies, 1u << 20, 1ull << 34)},
        {"limits", "connections", number(to.limits.connections, 1, 1000000)},
        {"limits", "connections_for_address",
         number(to.limits.connections_for_address, 1, 1000000)},
        {"limits", "idle", number(to.limits.idle, 1, 3600)},
        {"limits", "request", number(to.limits.request, 1, 3600)},
        {"limits", "threads", number(to.limits.threads, 0, 1024)},
        {"limits", "queue", number(to.limits.queue, 1, 1000000)},
        {"limits", "waiting_enrolments", number(to.limits.waiting_enrolments, 1, 1000000)},
        {"attest", "interval", number(to.attest.interval, 10, kDay)},
        {"attest", "silent_after", number(to.attest.silent_after, 20, 30 * kDay)},
        {"attest", "judge_again", number(to.attest.judge_again, 0, 30 * kDay)},
        {"attest", "keep_changes", number(to.attest.keep_changes, 1, 36500)},
        {"enrol", "ca", path(to.enrol.ca)},
        {"enrol", "eks", path(to.enrol.eks)},
        {"enrol", "known_by_token", flag(to.enrol.known_by_token)},
        {"webhook", "urls", urls(to.webhook.urls)},
        {"webhook", "secret", text(to.webhook.secret)},
        {"readers", "results_for_all", flag(to.readers.results_for_all)},
        {"log", "level", choice(to.log.level, {"debug", "info", "warning", "error"})},
    };
}

std::string place(const std::string& file, const toml::source_region& region) {
    return file + ':' + std::to_string(region.begin.line);
}

}  // namespace

Result<Settings> parse_settings(std::string_view text, const std::string& file) {
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed)
        return fail(std::string(parsed.error().description()),
                    place(file, parsed.error().source()));
    Settings settings;
    const std::vector<Entry> known = entries(settings);
    for (const auto& [table, node] : parsed.table()) {
        const std::string_view table_name = table;
        const toml::table* members = node.as_table();
        const bool is_known = std::ranges::any_of(
            known, [&](const Entry& entry) { return entry.table == table_name; });
        if (members == nullptr || !is_known)
            return fail("no such table: [" + std::string(table_name) + ']',
                        place(file, node.source()));
        for (const auto& [key, value] : *members) {
            const std::string_view name = key;
            const auto entry = std::ranges::find_if(known, [&](const Entry& one) {
                return one.table == table_name && one.name == name;
            });
            if (entry == known.end())
                return fail(
                    "no such setting in [" + std::string(table_name) + "]: " + std::string(name),
                    place(file, value.source()));
            if (const auto expected = entry->put(value))
                return fail(std::string(name) + " must be " + *expected,
                            place(file, value.source()));
        }
    }
    if (settings.tls.certificate.empty() != settings.tls.key.empty())
        return fail("certificate and key belong together", file + ": [tls]");
    if (settings.attest.silent_after < 2 * settings.attest.interval)
        return fail(
            "silent_after must be at least twice the interval: one lost visit is no silence",
            file + ": [attest]");
    return settings;
}

Result<Settings> load_settings(const std::filesystem::path& file) {
    std::ifstream stream(file);
    std::stringstream text;
    if (stream) text << stream.rdbuf();
    const bool missing = !stream && !std::filesystem::exists(file);
    if (!stream && !missing) return fail("cannot be read", file.string());
    auto settings = parse_settings(text.str(), file.string());
    if (!settings) return settings;
    const char* state = std::getenv("STATE_DIRECTORY");
    settings->state_directory = state != nullptr ? state : "/var/lib/keyscribe-verifier";
    if (settings->store.url.empty())
        settings->store.url = "sqlite:" + (settings->state_directory / "verifier.db").string();
    return settings;
}

}  // namespace keyscribe::verifier
