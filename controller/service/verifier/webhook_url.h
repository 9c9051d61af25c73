// SPDX-License-Identifier: Apache-2.0
// The address of a webhook, as [webhook] urls has it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keyscribe::verifier {

struct WebhookUrl {
    bool secure = false;
    std::string host;  ///< of IPv6 without brackets
    std::string port;
    std::string target;     ///< path and query
    std::string authority;  ///< "host", "host:port" or "[address]:port", as it was given

    /// Without path and query, which are a secret of many receivers: for the journal.
    std::string shown() const { return (secure ? "https://" : "http://") + authority; }
};

/// Nothing: not http:// or https:// with a host, or with a user, a fragment or blanks.
std::optional<WebhookUrl> parse_webhook_url(std::string_view url);

}  // namespace keyscribe::verifier
