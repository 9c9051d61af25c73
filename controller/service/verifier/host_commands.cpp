// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier hosts, changes.
#include <fmt/format.h>

#include <memory>

#include "controller/base/output_file.h"
#include "controller/list/json_text.h"
#include "controller/service/verifier/commands.h"
#include "controller/service/verifier/operator_queries.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

std::string text_or_dash(const json& value) {
    return value.is_string() ? value.get<std::string>() : "-";
}

std::string host_line(const json& host) {
    return fmt::format("{}  {:<16} {:<7} since {}  seen {}  {} ({})", host["id"].get<std::string>(),
                       host["verdict"].get<std::string>(),
                       host["silent"].get<bool>() ? "SILENT" : "", host["since"].get<std::string>(),
                       text_or_dash(host["last_seen"]), host["name"].get<std::string>(),
                       host["group"].get<std::string>());
}

std::string change_line(const json& change) {
    return fmt::format("{:>8}  {}  {:<9} {} -> {}  {} {}", change["number"].get<std::int64_t>(),
                       change["time"].get<std::string>(), change["kind"].get<std::string>(),
                       text_or_dash(change["former"]), text_or_dash(change["latter"]),
                       change["name"].get<std::string>(), change["host"].get<std::string>());
}

int no_such_host(const std::string& id) {
    return report_error({"there is no such host, or nothing of it", printable(id, 300), {}});
}

void print_host(const json& host) {
    fmt::print("{}\n", host_line(host));
    fmt::print("  enrolled {} by {}\n", host["enrolled"].get<std::string>(),
               host["accepted_by"].get<std::string>());
    if (host.contains("appraisal") && host["appraisal"].is_object())
        for (const json& finding : host["appraisal"]["findings"])
            fmt::print("  {} {}: {}\n", finding["weight"].get<std::string>(),
                       finding["code"].get<std::string>(), finding["sentence"].get<std::string>());
    for (const json& key : host["keys"])
        fmt::print("  {}  {}  {} (since {})\n", key["keyring"].get<std::string>(),
                   key["fingerprint"].get<std::string>(), key["subject"].get<std::string>(),
                   key["since"].get<std::string>());
}

struct HostOptions {
    HostFilter filter;
    std::string id, output = "-", group;
    std::int64_t since = 0;
};

}  // namespace

void add_host_commands(CLI::App& app, CommandContext& context) {
    const auto options = std::make_shared<HostOptions>();
    CLI::App* hosts = app.add_subcommand("hosts", "The hosts of the fleet")->require_subcommand(1);

    CLI::App* listing = hosts->add_subcommand("list", "Hosts, a line each");
    listing->add_option("--verdict", options->filter.verdict,
                        "affirmed, contraindicated, none, silent");
    listing->add_option("--group", options->filter.group, "of this group");
    listing->add_option("--name", options->filter.name, "a part of the name");
    listing->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        for (;;) {
            const auto page = list_hosts(*service.database, options->filter);
            if (!page) return std::unexpected(page.error());
            print_all(context, (*page)["hosts"], host_line);
            if (!page->contains("next")) return 0;
            options->filter.after = (*page)["next"].get<std::string>();
        }
    }));

    CLI::App* show =
        hosts->add_subcommand("show", "One host: its appraisal and the keys it trusts");
    show->add_option("host", options->id, "its id or name")->required();
    show->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        const auto host = show_host(*service.database, options->id);
        if (!host) return std::unexpected(host.error());
        if (host->is_null()) return no_such_host(options->id);
        if (context.json)
            fmt::print("{}\n", list::json_text(*host));
        else
            print_host(*host);
        return 0;
    }));

    CLI::App* remove = hosts->add_subcommand("remove", "Forget a host and all that is kept of it");
    remove->add_option("host", options->id, "its id")->required();
    remove->callback(with_service(context, [options](Service& service) -> Result<int> {
        const auto removed =
            remove_host(*service.database, *service.changes, options->id, user_name());
        if (!removed) return std::unexpected(removed.error());
        return *removed ? 0 : no_such_host(options->id);
    }));

    CLI::App* exporting = hosts->add_subcommand(
        "export", "For an auditor: evidence, key, nonce, references in force, verdict");
    exporting->add_option("host", options->id, "its id or name")->required();
    exporting->add_option("--output", options->output, "a file; - is the standard output");
    exporting->callback(with_service(context, [options](Service& service) -> Result<int> {
        const auto host = export_host(service, options->id);
        if (!host) return std::unexpected(host.error());
        if (host->is_null()) return no_such_host(options->id);
        const std::string text = list::json_text(*host) + '\n';
        if (options->output == "-") {
            fmt::print("{}", text);
            return 0;
        }
        const auto written = write_file(options->output, as_bytes(text), kOwnerReads);
        if (!written) return std::unexpected(written.error());
        return 0;
    }));

    CLI::App* changes = app.add_subcommand("changes", "What changed, oldest first");
    changes->add_option("--since", options->since, "what came after this number");
    changes->add_option("--host", options->id, "of this host's id alone");
    changes->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        for (;;) {
            const auto page = list_changes(*service.database, options->since, 1000, options->id);
            if (!page) return std::unexpected(page.error());
            print_all(context, (*page)["changes"], change_line);
            if ((*page)["changes"].empty()) return 0;
            options->since = (*page)["next"].get<std::int64_t>();
        }
    }));
}

}  // namespace keyscribe::verifier
