// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/settings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <vector>

#include "controller/base/settings_file.h"
#include "controller/service/verifier/webhook_url.h"

namespace keyscribe::verifier {
namespace {

using base::any_text_into, base::choice_into, base::flag_into, base::number_into, base::path_into,
    base::Setter, base::Setting, base::size_into;

Setter urls_into(std::vector<std::string>& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const toml::array* array = node.as_array();
        std::vector<std::string> all;
        if (array != nullptr)
            for (const toml::node& one : *array)
                if (const auto url = one.value_exact<std::string>(); url && parse_webhook_url(*url))
                    all.push_back(*url);
        if (array == nullptr || all.size() != array->size())
            return "a list of addresses as \"https://host/path\", without a user, a fragment or "
                   "blanks";
        to = std::move(all);
        return std::nullopt;
    };
}

Setter address_into(std::string& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto text = node.value_exact<std::string>();
        std::array<unsigned char, sizeof(in6_addr)> parsed{};
        if (!text || (::inet_pton(AF_INET, text->c_str(), parsed.data()) != 1 &&
                      ::inet_pton(AF_INET6, text->c_str(), parsed.data()) != 1))
            return "an address of this machine, as in \"::\" and \"127.0.0.1\"";
        to = *text;
        return std::nullopt;
    };
}

Setter store_into(std::string& to) {
    return [&to](const toml::node& node) -> std::optional<std::string> {
        const auto url = node.value_exact<std::string>();
        if (!url) return "a text in quotes";
        constexpr std::string_view kKinds[] = {"sqlite:", "postgresql://", "postgres://"};
        if (!url->empty() && std::ranges::none_of(kKinds, [&](auto kind) {
                return url->starts_with(kind) && url->size() > kind.size();
            }))
            return "\"sqlite:PATH\" or \"postgresql://...\"";
        to = *url;
        return std::nullopt;
    };
}

/// Where in the file settings stand that only together are right or wrong.
struct Places {
    unsigned tls = 1, attest = 1;
};

Setter noted(unsigned& line, Setter setter) {
    return [&line, setter = std::move(setter)](const toml::node& node) {
        line = std::max<unsigned>(line, node.source().begin.line);
        return setter(node);
    };
}

std::vector<Setting> settings_of(Settings& to, Places& at) {
    constexpr std::int64_t kDay = 86400;
    return {
        {"store", "url", store_into(to.store.url)},
        {"store", "connections", number_into(to.store.connections, 2, 1000)},
        {"listen", "address", address_into(to.listen.address)},
        {"listen", "port", number_into(to.listen.port, 0, 65535)},
        {"listen", "name", any_text_into(to.listen.name)},
        {"tls", "certificate", noted(at.tls, path_into(to.tls.certificate))},
        {"tls", "key", noted(at.tls, path_into(to.tls.key))},
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
        {"attest", "interval", noted(at.attest, number_into(to.attest.interval, 10, kDay))},
        {"attest", "silent_after",
         noted(at.attest, number_into(to.attest.silent_after, 20, 30 * kDay))},
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
Result<void> check(const Settings& settings, const Places& at, const std::string& file) {
    if (settings.tls.certificate.empty() != settings.tls.key.empty())
        return fail("certificate and key belong together", file + ':' + std::to_string(at.tls));
    if (settings.attest.silent_after < 2 * settings.attest.interval)
        return fail(
            "silent_after must be at least twice the interval: one lost visit is no silence",
            file + ':' + std::to_string(at.attest));
    return {};
}

}  // namespace

Result<Settings> parse_settings(std::string_view text, const std::string& file) {
    Settings settings;
    Places at;
    if (auto done = base::read_settings(text, file, settings_of(settings, at)); !done)
        return std::unexpected(done.error());
    if (auto done = check(settings, at, file); !done) return std::unexpected(done.error());
    return settings;
}

Result<Settings> load_settings(const std::filesystem::path& file) {
    Settings settings;
    Places at;
    if (auto done = base::read_settings_file(file, settings_of(settings, at)); !done)
        return std::unexpected(done.error());
    if (auto done = check(settings, at, file.string()); !done) return std::unexpected(done.error());
    const char* state = std::getenv("STATE_DIRECTORY");
    settings.state_directory = state != nullptr ? state : "/var/lib/keyscribe-verifier";
    if (settings.store.url.empty())
        settings.store.url = "sqlite:" + (settings.state_directory / "verifier.db").string();
    return settings;
}

}  // namespace keyscribe::verifier
