// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/verifier.h"

#include <algorithm>
#include <charconv>

#include "controller/base/base64.h"
#include "controller/base/digest.h"

namespace keyscribe::fleet {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::size_t kLongestUrl = 2048;
constexpr std::size_t kSecretSize = 32;

bool is_plain(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '-' || letter == '.' || letter == '_';
}

/// Nothing that a program reads otherwise than a person: no escapes, no user, no query.
bool is_path(std::string_view path) {
    return std::ranges::all_of(path, [](char letter) { return is_plain(letter) || letter == '/'; });
}

bool is_host(std::string_view host, bool bracketed) {
    if (host.empty() || host.size() > 253) return false;
    if (bracketed)
        return std::ranges::all_of(host, [](char letter) {
            return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') ||
                   (letter >= 'A' && letter <= 'F') || letter == ':' || letter == '.';
        });
    return std::ranges::all_of(host, is_plain);
}

}  // namespace

std::string Verifier::authority() const {
    const std::string text = host.find(':') == host.npos ? host : '[' + host + ']';
    return port == kHttpsPort ? text : text + ':' + std::to_string(port);
}

std::string Verifier::url() const { return std::string(kScheme) + authority() + path; }

Result<Verifier> parse_url(std::string_view url) {
    const auto refuse = [&] {
        return fail("not a verifier's address", std::string(url.substr(0, kLongestUrl)),
                    "expected is https://HOST:PORT");
    };
    if (!url.starts_with(kScheme) || url.size() > kLongestUrl) return refuse();
    std::string_view rest = url.substr(kScheme.size());
    Verifier verifier;
    const auto slash = rest.find('/');
    std::string_view path = slash == rest.npos ? std::string_view() : rest.substr(slash);
    while (path.ends_with('/')) path.remove_suffix(1);
    if (!is_path(path)) return refuse();
    verifier.path = path;
    std::string_view authority = rest.substr(0, slash);
    const bool bracketed = authority.starts_with('[');
    const auto end = bracketed ? authority.find(']') : authority.find(':');
    if (bracketed && end == authority.npos) return refuse();
    verifier.host = bracketed ? authority.substr(1, end - 1) : authority.substr(0, end);
    if (!is_host(verifier.host, bracketed)) return refuse();
    authority.remove_prefix(std::min(authority.size(), bracketed ? end + 1 : end));
    if (authority.empty()) return verifier;
    const char* last = authority.data() + authority.size();
    const auto read = std::from_chars(authority.data() + 1, last, verifier.port);
    if (authority.front() != ':' || read.ec != std::errc() || read.ptr != last ||
        verifier.port == 0)
        return refuse();
    return verifier;
}

Result<Token> parse_token(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    text = first == text.npos ? std::string_view()
                              : text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
    const auto dot = text.find('.');
    const std::string_view secret = text.substr(0, dot);
    const std::string_view pin = dot == text.npos ? std::string_view() : text.substr(dot + 1);
    const auto holds = [](std::string_view part, std::size_t size) {
        const auto bytes = from_base64url(part);
        return bytes && bytes->size() == size;
    };
    if (!holds(secret, kSecretSize) || (dot != text.npos && !holds(pin, sizeof(Sha256))))
        // Not shown: it may be most of a secret.
        return fail("not a token for enrolment", {},
                    "expected is what the verifier printed, SECRET.PIN, as one word");
    return Token{std::string(secret), std::string(pin)};
}

}  // namespace keyscribe::fleet
