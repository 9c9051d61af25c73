// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier status.
#include <fmt/format.h>
#include <soci/soci.h>

#include "controller/list/json_text.h"
#include "controller/service/verifier/commands.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/webhook_url.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

/// For each webhook: how many messages wait for it, and why the first one does.
Result<json> waiting_messages(Database& database) {
    json all = json::array();
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string url, problem;
        long long count = 0, attempts = 0;
        soci::statement select =
            (session.prepare
                 << "select url, problem, attempts, (select count(*) from outbox others where "
                    "others.tenant = outbox.tenant and others.url = outbox.url) from outbox where "
                    "tenant = :tenant and not exists (select 1 from outbox earlier where "
                    "earlier.tenant = outbox.tenant and earlier.url = outbox.url and "
                    "earlier.number < outbox.number) order by number",
             soci::use(kTenant), soci::into(url), soci::into(problem), soci::into(attempts),
             soci::into(count));
        for (select.execute(); select.fetch();) {
            const auto address = parse_webhook_url(url);
            all.push_back({{"webhook", address ? address->shown() : "?"},
                           {"messages", count},
                           {"tries", attempts},
                           {"problem", problem}});
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

}  // namespace

void add_status_command(CLI::App& app, CommandContext& context) {
    CLI::App* status = app.add_subcommand(
        "status",
        "The database as it stands: hosts by verdict, what waits for an operator, "
        "messages that are not delivered");
    status->callback(with_service(context, [&context](Service& service) -> Result<int> {
        const auto hosts = count_hosts(*service.database);
        if (!hosts) return std::unexpected(hosts.error());
        const auto enrolments = service.enrolments->list("waiting");
        if (!enrolments) return fail(enrolments.error().title, "enrolments");
        const auto messages = waiting_messages(*service.database);
        if (!messages) return std::unexpected(messages.error());
        if (context.json) {
            fmt::print("{}\n", list::json_text(json{{"hosts", *hosts},
                                                    {"waiting_enrolments", enrolments->size()},
                                                    {"messages", *messages}}));
            return 0;
        }
        fmt::print("{:<15} answers\n", "database");
        for (const auto& [verdict, count] : hosts->items())
            fmt::print("{:<15} {} hosts\n", verdict, count.get<std::int64_t>());
        fmt::print("{:<15} {} enrolments\n", "waiting", enrolments->size());
        print_all(context, *messages, [](const json& one) {
            return fmt::format("webhook {}: {} messages wait after {} tries: {}",
                               one["webhook"].get<std::string>(),
                               one["messages"].get<std::int64_t>(),
                               one["tries"].get<std::int64_t>(), one["problem"].get<std::string>());
        });
        return 0;
    }));
}

}  // namespace keyscribe::verifier
