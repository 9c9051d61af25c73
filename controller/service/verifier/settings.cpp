// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/settings.h"

#include <cstdlib>
#include <optional>
#include <vector>

#include "controller/base/settings_file.h"

namespace keyscribe::verifier {
namespace {

using base::any_text_into, base::choice_into, base::flag_into, base::number_into, base::path_into,
    base::Setter, base::Setting, base::size_into, base::text_into;

Setter urls_into(std::vector<std::string>& to) {
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

std::vector<Setting> settings_of(Settings& to) {
    constexpr std::int64_t kDay = 86400;
    return {
        {"store", "url", any_text_into(to.store.url)},
        {"store", "connections", number_into(to.store.connections, 2, 1000)},
        {"listen", "address", text_into(to.listen.address)},
        {"listen", "port", number_into(to.listen.port, 0, 65535)},
        {"listen", "name", any_text_into(to.listen.name)},
        {"tls", "certificate", path_into(to.tls.certificate)},
        {"tls", "key", path_into(to.tls.key)},
        {"tls", "operators_ca", path_into(to.tls.operators_ca)},
        {"limits", "head", size_into(to.limits.head, 1u << 10, 1u << 20)},
        {"limits", "body", size_into(to.limits.body, 64u << 10, 1u << 30)},
        {"limits", "bodies", size_into(to.limits.bodies, 1u << 20, 1ull << 34)},
        {"limits", "bodies_for_address",
         size_into(to.limits.bodies_for_address, 1u << 20, 1ull << 34)},
        {"limits", "connections", number_into(to.limits.connections, 1, 1000000)},
        {"limits", "connections_for_address",
         number_into(to.limits.connections_for_address, 1, 1000000)},
        {"limits", "idle", number_into(to.limits.idle, 1, 3600)},
        {"limits", "request", number_into(to.limits.request, 1, 3600)},
        {"limits", "threads", number_into(to.limits.threads, 0, 1024)},
        {"limits", "queue", number_into(to.limits.queue, 1, 1000000)},
        {"limits", "waiting_enrolments", number_into(to.limits.waiting_enrolments, 1, 1000000)},
        {"limits", "enrolments_for_token", number_into(to.limits.enrolments_for_token, 1, 1000000)},
        {"limits", "enrolments_for_ek", number_into(to.limits.enrolments_for_ek, 1, 1000000)},
        {"attest", "interval", number_into(to.attest.interval, 10, kDay)},
        {"attest", "silent_after", number_into(to.attest.silent_after, 20, 30 * kDay)},
        {"attest", "judge_again", number_into(to.attest.judge_again, 0, 30 * kDay)},
        {"attest", "keep_changes", number_into(to.attest.keep_changes, 1, 36500)},
        {"attest", "keep_lists", number_into(to.attest.keep_lists, 0, 36500)},
        {"enrol", "ca", path_into(to.enrol.ca)},
        {"enrol", "eks", path_into(to.enrol.eks)},
        {"enrol", "known_by_token", flag_into(to.enrol.known_by_token)},
        {"webhook", "urls", urls_into(to.webhook.urls)},
        {"webhook", "secret", any_text_into(to.webhook.secret)},
        {"readers", "results_for_all", flag_into(to.readers.results_for_all)},
        {"log", "level", choice_into(to.log.level, {"debug", "info", "warning", "error"})},
    };
}

/// What no setting shows alone.
Result<void> check(const Settings& settings, const std::string& file) {
    if (settings.tls.certificate.empty() != settings.tls.key.empty())
        return fail("certificate and key belong together", file + ": [tls]");
    if (settings.attest.silent_after < 2 * settings.attest.interval)
        return fail(
            "silent_after must be at least twice the interval: one lost visit is no silence",
            file + ": [attest]");
    return {};
}

}  // namespace

Result<Settings> parse_settings(std::string_view text, const std::string& file) {
    Settings settings;
    if (auto done = base::read_settings(text, file, settings_of(settings)); !done)
        return std::unexpected(done.error());
    if (auto done = check(settings, file); !done) return std::unexpected(done.error());
    return settings;
}

Result<Settings> load_settings(const std::filesystem::path& file) {
    Settings settings;
    if (auto done = base::read_settings_file(file, settings_of(settings)); !done)
        return std::unexpected(done.error());
    if (auto done = check(settings, file.string()); !done) return std::unexpected(done.error());
    const char* state = std::getenv("STATE_DIRECTORY");
    settings.state_directory = state != nullptr ? state : "/var/lib/keyscribe-verifier";
    if (settings.store.url.empty())
        settings.store.url = "sqlite:" + (settings.state_directory / "verifier.db").string();
    return settings;
}

}  // namespace keyscribe::verifier
