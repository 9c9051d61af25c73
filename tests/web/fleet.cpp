// SPDX-License-Identifier: Apache-2.0
// web-fleet DATABASE: a verifier with a fleet that has something on every page, and with its pages,
// until its standard input ends. Prints a JSON object: port, certificate's pin, tokens, paths.
#include <soci/soci.h>

#include <cstdio>
#include <iostream>

#include "controller/base/base64.h"
#include "controller/base/log.h"
#include "controller/service/verifier/rounds.h"
#include "controller/service/verifier/server.h"
#include "controller/service/web/routes.h"
#include "tests/support/fleet_host.h"
#include "tests/support/report_hosts.h"

using namespace keyscribe;
using namespace keyscribe::verifier;
using testing::FleetHost;

namespace {

/// Whatever goes wrong here is a fault of this program.
auto must(auto result) {
    if (!result) throw std::runtime_error("web-fleet: a step failed");
    return std::move(*result);
}

std::string prove(Service& service, const std::string& token, const FleetHost& host) {
    const auto begun = must(service.enrolments->begin(host.enrolment(token)));
    const auto secret = from_base64(host.activation(begun)["credential"].get<std::string>());
    const std::string id = begun["id"];
    must(service.enrolments->activate(id, *secret));
    return id;
}

void trust(Service& service, const std::string& group, const testing::Buffer& certificate,
           const std::string& name) {
    const auto done = service.references->add({{.id = random_id(),
                                                .group = group,
                                                .name = name,
                                                .who = "ann <ann@example.org>",
                                                .why = "release keys of 2026",
                                                .added = now(),
                                                .content = certificate}});
    if (!done) throw std::runtime_error(to_string(done.error()));
}

std::string enrol_and_visit(Service& service, const std::string& token, FleetHost& host) {
    const auto accepted = must(
        service.enrolments->decide(prove(service, token, host), true, "ann", "in the inventory"));
    const Nonce nonce = service.nonces->make(now_ms());
    must(service.visits->take(nonce, host.evidence(nonce)));
    return accepted["host"];
}

/// Nobody heard of it for a day.
void silence(Service& service, const std::string& id) {
    const long long past = now() - 86400;
    const auto done = service.database->write([&](soci::session& session) -> Result<void> {
        session << "update hosts set deadline = :past where id = :id", soci::use(past),
            soci::use(id);
        return {};
    });
    if (!done || !mark_silent(service)) throw std::runtime_error("web-fleet: silence");
}

int run(const std::string& database) {
    base::init_log("error", "web-fleet");
    Settings settings;
    settings.store.url = "sqlite:" + database;
    settings.listen = {.address = "127.0.0.1", .port = 0, .name = "localhost"};
    const auto service = must(Service::open(settings));
    const std::string web =
        must(create_token(*service->database, {.role = "enrol", .group = "web"}));
    const std::string other = must(create_token(
        *service->database, {.role = "enrol", .group = "build-machines-of-the-second-site"}));
    nlohmann::json paths = {"/",      "/hosts",      "/keys",       "/enrolments",
                            "/login", "/references", "/hosts/none", "/keys?q=none"};

    FleetHost good("web-1.example"), bad("web-2.example"), quiet("web-3.example"),
        hostile("db." + std::string(60, 'x') + ".example"), waits("web-4.example"),
        waits_too("cloud-" + std::string(200, '7'));
    for (FleetHost* host : {&good, &bad, &quiet}) {
        trust(*service, "web", host->host.builtin, host->name + "-build.der");
        trust(*service, "web", host->host.ima, host->name + "-ima.der");
        host->host.good();
    }
    const auto rogue = testing::Host::shared_key(7);
    const auto payload =
        testing::certificate(rogue.get(), "Fleet file signing", rogue.get(), "Fleet intermediate");
    bad.host.key(".ima", payload, 301, "Fleet file signing: e0");
    testing::make_hostile(hostile.host);
    for (FleetHost* host : {&good, &bad, &quiet, &hostile}) {
        const std::string id = enrol_and_visit(*service, host == &hostile ? other : web, *host);
        paths.push_back("/hosts/" + id);
        paths.push_back("/hosts/" + id + "/report");
        if (host == &quiet) silence(*service, id);
    }
    paths.push_back("/keys/" + to_hex(sha256(payload)));
    paths.push_back("/keys/" + to_hex(sha256(good.host.ima)));
    prove(*service, web, waits);
    prove(*service, other, waits_too);

    Server server(*service);
    server.set_routes(must(web::routes(*service)));
    const unsigned port = must(server.start());
    const auto pin = from_base64url(must(pin_of(service->certificate)));
    const nlohmann::json told = {
        {"port", port},
        {"pin", to_base64(*pin)},
        {"operator", must(create_token(*service->database, {.role = "operator", .label = "ann"}))},
        {"reader", must(create_token(*service->database, {.role = "reader", .label = "bob"}))},
        {"paths", paths}};
    std::cout << told.dump() << std::endl;
    while (std::cin.get() != EOF) continue;
    server.stop();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return argc == 2 ? run(argv[1]) : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
