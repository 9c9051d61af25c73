// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/webhook_url.h"

#include <algorithm>

namespace keyscribe::verifier {
namespace {

constexpr std::size_t kLongestUrl = 1000;  // a column of an index in PostgreSQL has 2,704 bytes

bool is_of(std::string_view text, std::string_view marks) {
    return !text.empty() && std::ranges::all_of(text, [&](char letter) {
        return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
               (letter >= 'A' && letter <= 'Z') || marks.contains(letter);
    });
}

bool is_port(std::string_view text) {
    return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos &&
           std::stoi(std::string(text)) > 0 && std::stoi(std::string(text)) <= 65535;
}

}  // namespace

std::optional<WebhookUrl> parse_webhook_url(std::string_view url) {
    WebhookUrl made{.secure = url.starts_with("https://")};
    if ((!made.secure && !url.starts_with("http://")) || url.size() > kLongestUrl ||
        std::ranges::any_of(
            url, [](char letter) { return letter <= ' ' || letter >= 0x7f || letter == '#'; }))
        return std::nullopt;
    url.remove_prefix(made.secure ? 8 : 7);
    const auto end = std::min(url.find_first_of("/?"), url.size());
    made.authority = url.substr(0, end);
    made.target = url.substr(end);
    if (!made.target.starts_with('/')) made.target.insert(0, "/");
    std::string_view rest = made.authority;
    const bool bracketed = rest.starts_with('[');
    const auto host_end =
        bracketed ? std::min(rest.find(']'), rest.size()) : std::min(rest.find(':'), rest.size());
    made.host = rest.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
    if (!is_of(made.host, bracketed ? ":." : ".-_")) return std::nullopt;
    rest.remove_prefix(std::min(host_end + (bracketed ? 1 : 0), rest.size()));
    made.port = made.secure ? "443" : "80";
    if (rest.empty() && (!bracketed || made.authority.ends_with(']'))) return made;
    if (!rest.starts_with(':') || !is_port(rest.substr(1))) return std::nullopt;
    made.port = rest.substr(1);
    return made;
}

}  // namespace keyscribe::verifier
