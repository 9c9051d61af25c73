// SPDX-License-Identifier: Apache-2.0
// A verifier: where it answers, and by what it is known to be the one that is meant.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "controller/base/error.h"

namespace keyscribe::fleet {

inline constexpr std::uint16_t kHttpsPort = 443;

struct Verifier {
    std::string host;  ///< a name, or an address (of IPv6 without brackets)
    std::uint16_t port = kHttpsPort;
    std::string path;  ///< what stands before each route: "", or "/keyscribe"
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate, base64url (as of RFC 7469, 2.4); "":
    /// it has a certificate for `host` by one of `ca`.
    std::string pin;
    std::filesystem::path ca;

    /// "host:port"
    std::string authority() const;
    /// "https://host:port/path"
    std::string url() const;
};

/// Sets host, port and path. Error: not "https://HOST[:PORT][/PATH]".
Result<Verifier> parse_url(std::string_view url);

/// What a verifier gives to somebody who may enrol hosts.
struct Token {
    std::string secret;
    std::string pin;  ///< "": the token says nothing of the verifier's key
};

/// "SECRET.PIN", or SECRET. Blanks at the ends are not looked at. Error: not of that form.
Result<Token> parse_token(std::string_view text);

}  // namespace keyscribe::fleet
