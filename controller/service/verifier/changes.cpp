// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/changes.h"

#include <soci/soci.h>

#include <array>
#include <ctime>

#include "controller/base/log.h"
#include "controller/list/json_text.h"

namespace keyscribe::verifier {

std::string time_text(std::int64_t time) {
    const std::time_t seconds = time;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

void ChangeLog::add(soci::session& session, const Change& change) const {
    const std::string& tenant = kTenant;
    const long long at = now();
    const long long number = next_number(session, "changes");
    const std::string detail = list::json_text(change.detail);
    session
        << "insert into changes (tenant, number, host, at, kind, former, latter, detail) values "
           "(:tenant, :number, :host, :at, :kind, :former, :latter, :detail)",
        soci::use(tenant), soci::use(number), soci::use(change.host), soci::use(at),
        soci::use(change.kind), soci::use(change.former), soci::use(change.latter),
        soci::use(detail);
    // CloudEvents 1.0, JSON format. `id` with `source` is the same at each try: who gets it twice
    // can tell.
    nlohmann::json event = {{"specversion", "1.0"},
                            {"id", std::to_string(number)},
                            {"source", source_},
                            {"type", "org.keyscribe.host." + change.kind},
                            {"subject", change.host},
                            {"time", time_text(at)},
                            {"datacontenttype", "application/json"},
                            {"data",
                             {{"host", change.host},
                              {"name", change.name},
                              {"former", change.former},
                              {"latter", change.latter},
                              {"detail", change.detail}}}};
    const std::string text = list::json_text(event);
    for (const std::string& url : urls_) {
        const long long place = next_number(session, "outbox");
        session << "insert into outbox (tenant, number, url, event, attempts, next_try, problem) "
                   "values (:tenant, :number, :url, :event, 0, :at, '')",
            soci::use(tenant), soci::use(place), soci::use(url), soci::use(text), soci::use(at);
    }
    // A transaction that fails leaves a line too many here; none is missing.
    log_event(
        change.kind == "verdict" || change.kind == "silent" ? LogLevel::kWarning : LogLevel::kInfo,
        change.name + " (" + change.host + "): " + change.kind + ' ' + change.former +
            (change.former.empty() ? "" : " -> ") + change.latter,
        {{"KEYSCRIBE_HOST", change.host},
         {"KEYSCRIBE_CHANGE", change.kind},
         {"KEYSCRIBE_NUMBER", std::to_string(number)}});
}

}  // namespace keyscribe::verifier
