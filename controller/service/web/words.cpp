// SPDX-License-Identifier: Apache-2.0
#include "controller/service/web/words.h"

#include <map>

#include "controller/service/report/words.h"

namespace keyscribe::web {

using nlohmann::json;

std::string text_of(const json& object, const char* member) {
    if (!object.is_object()) return {};
    const auto found = object.find(member);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Html time_of(const json& object, const char* member) {
    const std::string text = text_of(object, member);
    if (text.size() != 20) return Html::of("<em>never</em>");
    Html html;
    html.add(R"(<time datetime="{}">{} {} UTC</time>)", text, text.substr(0, 10),
             text.substr(11, 8));
    return html;
}

std::string verdict_title(const std::string& verdict) {
    if (verdict == "affirmed") return "Affirmed";
    if (verdict == "contraindicated") return "Contraindicated";
    return verdict == "none" ? "Not judged" : verdict;
}

Html verdict_badges(const std::string& verdict, bool silent) {
    const char* const kind = verdict == "affirmed"          ? (silent ? "" : "good")
                             : verdict == "contraindicated" ? "bad"
                                                            : "";
    Html html;
    if (silent) html.add(R"(<span class="badge warn">silent</span> )");
    html.add(R"(<span class="badge {}">{}{}</span>)", kind, silent ? "was " : "",
             verdict == "none" ? "not judged" : verdict);
    return html;
}

std::string url_part(std::string_view text) {
    std::string safe;
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        if (std::isalnum(byte) != 0 || std::string_view("-._~").contains(letter))
            safe += letter;
        else
            fmt::format_to(std::back_inserter(safe), "%{:02X}", byte);
    }
    return safe;
}

Html host_link(const std::string& id, std::string_view name) {
    Html html;
    html.add(R"(<a href="/hosts/{}">{}</a>)", url_part(id),
             report::name(name.empty() ? std::string_view(id) : name));
    return html;
}

Html key_link(const std::string& fingerprint, std::string_view subject) {
    Html html;
    html.add(R"(<a href="/keys/{}">{}</a>)", url_part(fingerprint), report::name(subject));
    return html;
}

Html fact(Html::Literal name, const Html& value) {
    Html html;
    html.add("<div><dt>{}</dt><dd>{}</dd></div>", name.text, value);
    return html;
}

Html field(Html::Literal label, Html::Literal name, std::string_view value) {
    Html html;
    html.add(R"(<label>{} <input type="text" name="{}" value="{}" maxlength="300"></label>)",
             label.text, name.text, value);
    return html;
}

Html choices(Html::Literal label, Html::Literal name, const std::vector<Choice>& choices,
             const std::string& chosen) {
    Html options, html;
    for (const Choice& choice : choices)
        options.add(R"(<option value="{}"{}>{}</option>)", choice.value,
                    choice.value == chosen ? Html::of(" selected") : Html(), choice.name);
    html.add(R"(<label>{} <select name="{}">{}</select></label>)", label.text, name.text, options);
    return html;
}

namespace {

/// What a change says, and how it is coloured.
struct Told {
    const char* kind = "";
    Html sentence;
};

Html reasons(const json& detail) {
    Html html;
    if (!detail.is_object() || !detail.contains("reasons") || !detail["reasons"].is_array())
        return html;
    std::map<std::string, int> codes;
    for (const json& reason : detail["reasons"]) ++codes[text_of(reason, "code")];
    for (const auto& [code, count] : codes) {
        html.add("{}<code>{}</code>", html.empty() ? ": " : ", ", code);
        if (count > 1) html.add(" × {}", count);
    }
    return html;
}

Told tell(const json& change) {
    const std::string kind = text_of(change, "kind"), latter = text_of(change, "latter");
    const json detail = change.value("detail", json::object());
    Told told;
    if (kind == "verdict") {
        told.kind = latter == "affirmed" ? "good" : latter == "contraindicated" ? "bad" : "";
        told.sentence.add("{}{}", verdict_title(latter), reasons(detail));
    } else if (kind == "silent") {
        told.kind = "warn";
        told.sentence.add("fell silent");
    } else if (kind == "heard") {
        told.sentence.add("is heard of again");
    } else if (kind == "key") {
        told.sentence.add("has a key that no host had before, in <code>{}</code>: {}",
                          text_of(detail, "keyring"), key_link(latter, text_of(detail, "subject")));
    } else if (kind == "waiting") {
        told.kind = "warn";
        told.sentence.add(R"(<a href="/enrolments">asked to be enrolled</a>)");
    } else if (kind == "enrolled") {
        told.sentence.add("enrolled in group {}, by {}", report::name(latter),
                          report::name(text_of(detail, "by")));
    } else {
        told.sentence.add("{} {}", kind, report::name(latter));
    }
    return told;
}

}  // namespace

Html change_list(const json& changes, bool named) {
    Html items;
    for (const json& change : changes) {
        const Told told = tell(change);
        Html host;
        // Without a name it is not, or no longer, enrolled: there is no page of it.
        const std::string id = text_of(change, "host"), name = text_of(change, "name");
        if (named && !name.empty())
            host.add("{}: ", host_link(id, name));
        else if (named)
            host.add("{}: ", report::long_digest(id));
        items.add(R"(<li class="{}">{}<span>{}{}</span></li>
)",
                  told.kind, time_of(change, "time"), host, told.sentence);
    }
    Html html;
    if (items.empty())
        html.add(R"(<p class="empty">Nothing so far.</p>
)");
    else
        html.add(R"(<ol class="events">
{}</ol>
)",
                 items);
    return html;
}

}  // namespace keyscribe::web
