// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier enrolments, tokens.
#include <fmt/format.h>

#include <memory>

#include "controller/service/verifier/commands.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

std::string enrolment_line(const json& one) {
    return fmt::format("{}  {:<10} host {}  EK {}  {} ({}) {}  {}", one["id"].get<std::string>(),
                       one["state"].get<std::string>(), one["host"].get<std::string>(),
                       one["ek"].get<std::string>(), one["name"].get<std::string>(),
                       one["group"].get<std::string>(), one["created"].get<std::string>(),
                       one["reason"].get<std::string>());
}

std::string token_line(const json& one) {
    return fmt::format("{}  {:<8} {}  created {}  {}  {}", one["id"].get<std::string>(),
                       one["role"].get<std::string>(), one["group"].get<std::string>(),
                       one["created"].get<std::string>(),
                       one["expires"].is_null() ? "does not expire"
                                                : "expires " + one["expires"].get<std::string>(),
                       one["label"].get<std::string>());
}

json token_json(const KeptToken& one) {
    return {{"id", one.id},
            {"role", one.token.role},
            {"group", one.token.group},
            {"label", one.token.label},
            {"created", time_text(one.created)},
            {"expires", one.expires == 0 ? json() : json(time_text(one.expires))}};
}

Error error_of(const Problem& problem) { return {problem.title, {}, problem.detail}; }

}  // namespace

void add_enrolment_commands(CLI::App& app, CommandContext& context) {
    struct Options {
        std::string state = "waiting", id, reason, role = "enrol", group = "default", label;
        unsigned days = 0;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* enrolments =
        app.add_subcommand("enrolments", "Hosts that ask to be accepted")->require_subcommand(1);
    CLI::App* listing = enrolments->add_subcommand("list", "Those that wait, a line each");
    listing->add_option("--state", options->state, "challenged, waiting, accepted, refused")
        ->capture_default_str();
    listing->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        const auto all = service.enrolments->list(options->state);
        if (!all) return std::unexpected(error_of(all.error()));
        print_all(context, *all, enrolment_line);
        return 0;
    }));
    for (const bool accept : {true, false}) {
        CLI::App* decide = enrolments->add_subcommand(
            accept ? "accept" : "refuse",
            accept ? "Let it attest: compare its EK with what you know of the machine"
                   : "Turn it away");
        decide->add_option("enrolment", options->id, "its id")->required();
        decide->add_option("--reason", options->reason, "for the record, and for the host");
        decide->callback(with_service(context, [options, accept](Service& service) -> Result<int> {
            const auto done =
                service.enrolments->decide(options->id, accept, user_name(), options->reason);
            if (!done) return std::unexpected(error_of(done.error()));
            return 0;
        }));
    }

    CLI::App* tokens = app.add_subcommand("tokens", "Who may ask")->require_subcommand(1);
    CLI::App* create =
        tokens->add_subcommand("create", "Print a new token, which is shown this once");
    create->add_option("--role", options->role, "what it is for")
        ->check(CLI::IsMember({"enrol", "reader", "operator"}))
        ->capture_default_str();
    create->add_option("--group", options->group, "of enrol: that its hosts come into")
        ->capture_default_str();
    create->add_option("--label", options->label, "who has it, for the record");
    create->add_option("--days", options->days, "how long it is good; 0: until it is deleted")
        ->capture_default_str();
    create->callback(with_service(context, [options](Service& service) -> Result<int> {
        const std::int64_t expires =
            options->days == 0 ? 0 : now() + INT64_C(86400) * options->days;
        const auto token = create_token(
            *service.database,
            {.role = options->role, .group = options->group, .label = options->label}, expires);
        if (!token) return std::unexpected(token.error());
        const auto pin = pin_of(service.certificate);
        if (!pin) return std::unexpected(pin.error());
        fmt::print("{}{}\n", *token, options->role == "enrol" ? "." + *pin : "");
        return 0;
    }));
    CLI::App* list = tokens->add_subcommand("list", "Tokens that were given, a line each");
    list->callback(with_service(context, [&context](Service& service) -> Result<int> {
        const auto all = list_tokens(*service.database);
        if (!all) return std::unexpected(all.error());
        json array = json::array();
        for (const KeptToken& one : *all) array.push_back(token_json(one));
        print_all(context, array, token_line);
        return 0;
    }));
    CLI::App* revoke = tokens->add_subcommand(
        "revoke", "It is good no more, nor is a session in a browser that began with it");
    revoke->add_option("token", options->id, "its id, as list has it")->required();
    revoke->callback(with_service(context, [options](Service& service) -> Result<int> {
        const auto revoked = revoke_token(*service.database, options->id);
        if (!revoked) return std::unexpected(revoked.error());
        if (!*revoked) return fail("there is no token of this id", options->id, "tokens list");
        return 0;
    }));
}

}  // namespace keyscribe::verifier
