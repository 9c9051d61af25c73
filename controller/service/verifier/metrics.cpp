// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/metrics.h"

#include <fmt/format.h>

#include "controller/service/verifier/operator_queries.h"

namespace keyscribe::verifier {
namespace {

void family(std::string& text, std::string_view name, std::string_view type,
            std::string_view help) {
    text += fmt::format("# HELP keyscribe_verifier_{0} {2}\n# TYPE keyscribe_verifier_{0} {1}\n",
                        name, type, help);
}

template <class Value>
void sample(std::string& text, std::string_view name, Value value, std::string_view labels = {}) {
    text += fmt::format("keyscribe_verifier_{}{} {}\n", name, labels, value);
}

template <class Value>
void single(std::string& text, std::string_view name, std::string_view type, std::string_view help,
            Value value) {
    family(text, name, type, help);
    sample(text, name, value);
}

void server_metrics(std::string& text, const Server& server) {
    const ServerCounters& of = server.counters();
    family(text, "http_requests_total", "counter", "Requests, by the first digit of the answer.");
    for (std::size_t digit = 1; digit < of.answers.size(); ++digit)
        sample(text, "http_requests_total", of.answers[digit].load(),
               fmt::format("{{code=\"{}xx\"}}", digit));
    family(text, "http_request_seconds", "histogram", "From a request's head to its answer.");
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < ServerCounters::kBounds.size(); ++i)
        sample(text, "http_request_seconds_bucket", sum += of.durations[i].load(),
               fmt::format("{{le=\"{}\"}}", ServerCounters::kBounds[i]));
    sum += of.durations.back().load();
    sample(text, "http_request_seconds_bucket", sum, "{le=\"+Inf\"}");
    sample(text, "http_request_seconds_sum", static_cast<double>(of.duration_us.load()) / 1e6);
    sample(text, "http_request_seconds_count", sum);
    single(text, "connections", "gauge", "Connections that are open.", server.connections());
    single(text, "connections_accepted_total", "counter", "Connections that came.",
           of.accepted.load());
    single(text, "connections_turned_away_total", "counter", "Connections over a limit.",
           of.turned_away.load());
    single(text, "handshakes_failed_total", "counter", "TLS handshakes that failed.",
           of.handshakes_failed.load());
    single(text, "queue_length", "gauge", "Requests that wait for or are in a thread that judges.",
           server.queue_length());
}

void visit_metrics(std::string& text, const Visits& visits) {
    const auto& of = visits.counters();
    family(text, "evidence_total", "counter", "Pieces of evidence, by what became of them.");
    sample(text, "evidence_total", of.unchanged.load(), "{result=\"unchanged\"}");
    sample(text, "evidence_total", of.judged.load(), "{result=\"judged\"}");
    sample(text, "evidence_total", of.refused.load(), "{result=\"refused\"}");
    single(text, "judged_again_total", "counter",
           "Hosts that were judged anew since their references changed.", of.judged_again.load());
}

}  // namespace

std::string metrics_text(Service& service, const Server& server, const WebhookCounters& webhook) {
    std::string text;
    const auto hosts = count_hosts(*service.database);
    const auto waiting = outbox_length(*service.database);
    single(text, "store_up", "gauge", "Whether the database answers.",
           service.database->is_up() ? 1 : 0);
    const Database::Failures& failures = service.database->failures();
    family(text, "store_failures_total", "counter", "Uses of the database that failed, by cause.");
    sample(text, "store_failures_total", failures.away.load(), "{cause=\"away\"}");
    sample(text, "store_failures_total", failures.full.load(), "{cause=\"full\"}");
    sample(text, "store_failures_total", failures.statement.load(), "{cause=\"statement\"}");
    if (hosts) {
        family(text, "hosts", "gauge", "Hosts by their last verdict; a silent one counts as that.");
        for (const auto& [verdict, count] : hosts->items())
            sample(text, "hosts", count.get<std::int64_t>(),
                   fmt::format("{{verdict=\"{}\"}}", verdict));
    }
    if (waiting)
        single(text, "outbox_messages", "gauge", "Messages that are not delivered yet.", *waiting);
    single(text, "webhook_sent_total", "counter", "Messages that this process delivered.",
           webhook.sent.load());
    single(text, "webhook_failed_total", "counter", "Tries of this process that failed.",
           webhook.failed.load());
    visit_metrics(text, *service.visits);
    server_metrics(text, server);
    return text;
}

std::vector<Route> metrics_routes(Service& service, const Server& server,
                                  const WebhookCounters& webhook) {
    return {
        {"GET", "/metrics", Role::kReader,
         [&](const Request&) {
             return Response{.type = "text/plain; version=0.0.4",
                             .body = metrics_text(service, server, webhook)};
         }},
        {"GET", "/healthz", Role::kNobody,
         [&](const Request&) {
             const auto epoch = service.references->epoch();
             if (!epoch) return problem_response(problem_of(epoch.error()));
             return json_response({{"status", "ok"}, {"version", KEYSCRIBE_VERSION}});
         }},
    };
}

}  // namespace keyscribe::verifier
