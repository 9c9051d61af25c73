// SPDX-License-Identifier: Apache-2.0
#include "controller/service/web/visitor.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>

#include "controller/base/base64.h"

namespace keyscribe::web {
namespace {

using verifier::Role;

/// The cookie of that name; the first one, where there are several.
std::string_view cookie(std::string_view all, std::string_view name) {
    while (!all.empty()) {
        const auto end = std::min(all.find(';'), all.size());
        std::string_view one = all.substr(0, end);
        all.remove_prefix(std::min(end + 1, all.size()));
        while (one.starts_with(' ')) one.remove_prefix(1);
        if (one.starts_with(name) && one.substr(name.size()).starts_with('='))
            return one.substr(name.size() + 1);
    }
    return {};
}

Role role_of(const verifier::Token& token) {
    if (token.role == "operator") return Role::kOperator;
    return token.role == "reader" ? Role::kReader : Role::kNobody;
}

}  // namespace

Result<Sessions> Sessions::open(verifier::Database& database) {
    auto key = verifier::shared_secret(database, "web", [] {
        const std::string text = to_hex(verifier::random_bytes());
        return verifier::SecretText(text.begin(), text.end());
    });
    if (!key) return std::unexpected(key.error());
    return Sessions(database, std::move(*key));
}

std::string Sessions::mac(std::string_view purpose, std::string_view text) const {
    std::string both(purpose);
    both += '\0';
    both += text;
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> code{};
    unsigned size = 0;
    const Bytes bytes = as_bytes(both);
    ::HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), bytes.data(), bytes.size(),
           code.data(), &size);
    return to_base64url(Bytes(code).first(size));
}

Result<std::optional<std::string>> Sessions::begin(std::string_view token,
                                                   std::int64_t time) const {
    const auto found = verifier::find_token(*database_, token);
    if (!found) return std::unexpected(found.error());
    if (!*found || role_of(**found) == Role::kNobody) return std::nullopt;
    const std::string head = verifier::token_digest(token) + '.' +
                             std::to_string(time + kSessionLife) + '.' + verifier::random_id();
    return head + '.' + mac("session", head);
}

Result<Visitor> Sessions::visitor(const verifier::Request& request, std::int64_t time) const {
    if (!request.certificate.empty())
        return Visitor{.role = Role::kOperator,
                       .who = request.certificate,
                       .form_token = mac("form of a certificate", request.certificate),
                       .by_certificate = true};
    const std::string_view value = cookie(request.field("cookie"), kCookie);
    const auto dot = value.rfind('.');
    if (dot == std::string_view::npos) return Visitor{};
    const std::string_view head = value.substr(0, dot);
    if (!is_equal(mac("session", head), value.substr(dot + 1))) return Visitor{};
    // The MAC says that it is one of ours: DIGEST.END.RANDOM.
    const auto first = head.find('.');
    std::int64_t end = 0;
    std::from_chars(head.data() + first + 1, head.data() + head.size(), end);
    if (end <= time) return Visitor{};
    const auto token =
        verifier::find_token_by_digest(*database_, std::string(head.substr(0, first)));
    if (!token) return std::unexpected(token.error());
    if (!*token) return Visitor{};
    return Visitor{
        .role = role_of(**token), .who = (*token)->label, .form_token = mac("form", value)};
}

bool is_equal(std::string_view left, std::string_view right) {
    return left.size() == right.size() &&
           CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace keyscribe::web
