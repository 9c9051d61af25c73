// SPDX-License-Identifier: Apache-2.0
// How pages word what the verifier's queries give.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "controller/service/report/html.h"

namespace keyscribe::web {

using report::Html;

/// The member's text; empty where there is none.
std::string text_of(const nlohmann::json& object, const char* member);

/// "2026-11-24 21:00:07 UTC" of RFC 3339's form; "never" of anything else.
Html time_of(const nlohmann::json& object, const char* member);

/// A verdict, and whether the host is silent, each a badge.
Html verdict_badges(const std::string& verdict, bool silent);
/// "Affirmed" and so on: of a host without one "Not judged".
std::string verdict_title(const std::string& verdict);

/// Percent-encoding (RFC 3986, 2.1) of everything but unreserved characters.
std::string url_part(std::string_view text);

/// A link to the page of a host, or of a key.
Html host_link(const std::string& id, std::string_view name);
Html key_link(const std::string& fingerprint, std::string_view subject);

/// A term and its value, of a <dl>.
Html fact(Html::Literal name, const Html& value);

/// A text input or a search field in its label.
Html field(report::Html::Literal label, report::Html::Literal name, std::string_view value);

struct Choice {
    std::string value, name;
};
Html choices(report::Html::Literal label, report::Html::Literal name,
             const std::vector<Choice>& choices, const std::string& chosen);

/// Changes as a list, the latest first; `named`: with the host of each.
Html change_list(const nlohmann::json& changes, bool named);

}  // namespace keyscribe::web
