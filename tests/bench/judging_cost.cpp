// SPDX-License-Identifier: Apache-2.0
// What judging costs a verifier, in one process, on SQLite:
//
//     judging-cost [HOSTS [LONG-HOSTS]]
//
// First visits with something new, of hosts whose lists have 10, 1,000 and 100,000 entries: keys
// that come and go, and canaries. Then all of HOSTS hosts, alike but for their names, are judged
// again after their references changed: lists of some 400 entries, as a PC with UEFI has (most are
// revocations), and of 10,000. CPU is the process's, of all threads.
#include <soci/soci.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "controller/base/base64.h"
#include "controller/service/verifier/rounds.h"
#include "tests/support/databases.h"
#include "tests/support/fleet_host.h"

namespace {

using namespace keyscribe;
using namespace keyscribe::verifier;
using nlohmann::json;
using testing::Buffer;
using testing::FleetHost;
using testing::Host;

[[noreturn]] void stop(const std::string& what) {
    std::fprintf(stderr, "judging-cost: %s\n", what.c_str());
    std::exit(1);
}

double cpu() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::unique_ptr<Service> open() {
    Settings settings;
    settings.store.url = testing::new_database(testing::Engine::kSqlite);
    settings.listen = {.address = "127.0.0.1", .port = 0, .name = "localhost"};
    auto made = Service::open(std::move(settings));
    if (!made) stop(to_string(made.error()));
    return std::move(*made);
}

void trust(Service& service, const Buffer& certificate, const std::string& name) {
    const auto done = service.references->add({{.id = random_id(),
                                                .group = "default",
                                                .name = name,
                                                .added = now(),
                                                .content = certificate}});
    if (!done) stop(to_string(done.error()));
}

std::string enrol(Service& service, const FleetHost& host) {
    const auto begun = service.enrolments->begin(
        host.enrolment(*create_token(*service.database, {.role = "enrol", .group = "default"})));
    if (!begun) stop(to_json(begun.error()));
    const auto bytes = from_base64(host.activation(*begun)["credential"].get<std::string>());
    if (!service.enrolments->activate((*begun)["id"], *bytes)) stop("activation");
    const auto done = service.enrolments->decide((*begun)["id"], true, "me", "mine");
    return done ? (*done)["host"].get<std::string>() : (stop("enrolment"), "");
}

HostRow visit(Service& service, FleetHost& host, std::uint64_t since, double* taken = nullptr) {
    static std::int64_t time = now_ms();
    time = std::max(time + 1, now_ms());
    const Nonce nonce = service.nonces->make(time);
    const Buffer evidence = host.evidence(nonce, since);
    const double before = cpu();
    const auto done = service.visits->take(nonce, evidence);
    if (taken != nullptr) *taken += cpu() - before;
    if (!done) stop(to_json(done.error()));
    return *done;
}

/// Keys that come and go: three entries and the payload each, and a canary.
void churn(Host& host, const std::vector<Buffer>& certificates, std::uint64_t entries) {
    static int serial = 10'000;
    for (std::size_t i = 0; host.list.entries < entries; ++i) {
        const std::string name = "key " + std::to_string(i % certificates.size());
        host.key(".ima", certificates[i % certificates.size()], ++serial, name);
        host.event("unlink", serial, ".ima", name);
        host.event("destroy", serial, ".ima", name);
        host.list.record("canary", {{"time", 1}, {"nonce", Host::bytes("another nonce")}});
    }
}

void measure_visits(const std::vector<Buffer>& certificates) {
    std::printf(
        "a visit with something new (5 entries), CPU ms, by the entries that came before:\n");
    for (const std::uint64_t entries : {10, 1'000, 10'000, 100'000}) {
        const auto service = open();
        FleetHost host("web", true);
        trust(*service, host.host.builtin, "build.der");
        trust(*service, host.host.ima, "ima.der");
        for (std::size_t i = 0; i < certificates.size(); ++i)
            trust(*service, certificates[i], std::to_string(i) + ".der");
        enrol(*service, host);
        host.host.good();
        churn(host.host, certificates, entries);
        double first = 0, unchanged = 0, taken = 0;
        HostRow row = visit(*service, host, 0, &first);
        visit(*service, host, row.entries, &unchanged);
        constexpr int kVisits = 20;
        for (int i = 0; i < kVisits; ++i) {
            churn(host.host, certificates, host.host.list.entries + 5);
            row = visit(*service, host, row.entries, &taken);
        }
        std::printf("  %7llu: %7.2f   (first, whole: %.2f; nothing new: %.2f) %s\n",
                    static_cast<unsigned long long>(entries), 1e3 * taken / kVisits, 1e3 * first,
                    1e3 * unchanged, row.verdict.c_str());
        if (service->visits->counters().judged != kVisits + 1) stop("visits were not judged");
    }
}

/// Keys of the firmware's and the kernel's, of which the host has the public keys, revocations, and
/// some that came since.
void ordinary(Service& service, Host& host, int revocations) {
    host.list.aggregate(Host::aggregate_of(host.firmware()));
    json start = Host::speaker();
    start["tpm"]["resets"] = host.quote.reset_count;
    host.list.record("start", start);
    host.list.record("policy", Host::policy("measure func=KEY_CHECK op=all\n"));
    const auto ring = [&](const char* name) {
        return json{{"serial", host.ring_serial(name)}, {"name", Host::bytes(name)}, {"uid", 0}};
    };
    host.list.record(
        "baseline-begin",
        {{"time", 1},
         {"reason", "start"},
         {"keyrings",
          {ring(".builtin_trusted_keys"), ring(".ima"), ring(".platform"), ring(".blacklist")}}});
    constexpr int kOld = 40, kNew = 10;
    json old = host.key_fields("baseline", 200, ".builtin_trusted_keys", 100, "Build key: 00");
    old["public_key"] = list::cbor_bytes(testing::spki_bits(host.builtin_key.get()));
    old["algorithm"] = "rsa";
    host.list.record("baseline", old);
    for (int i = 0; i < kOld; ++i) {
        const auto key = testing::ec_key("P-256");
        const std::string name = "Vendor " + std::to_string(i);
        trust(service, testing::certificate(key.get(), name, key.get(), name, {}, 600), name);
        json fields = host.key_fields("baseline", 1000 + i, ".platform",
                                      host.ring_serial(".platform"), name + ": 0011223344556677");
        fields["public_key"] = list::cbor_bytes(testing::spki_bits(key.get()));
        fields["algorithm"] = "ecdsa-nist-p256";
        host.list.record("baseline", fields);
    }
    for (int i = 0; i < revocations; ++i)
        host.list.record(
            "baseline",
            host.key_fields("baseline", 2000 + i, ".blacklist", host.ring_serial(".blacklist"),
                            "bin:" + to_hex(sha256(as_bytes(std::to_string(i)))), "blacklist"));
    host.list.record("baseline-end",
                     {{"time", 2}, {"keyrings", 4}, {"keys", 1 + kOld + revocations}});
    for (int i = 0; i < kNew; ++i) {
        const auto key = testing::ec_key("P-256");
        const std::string name = "Signer " + std::to_string(i);
        const Buffer made =
            testing::certificate(key.get(), name, host.builtin_key.get(), "Build key", {}, 300);
        trust(service, made, name);
        host.key(".ima", made, 3000 + i, name);
    }
}

/// Rows of `hosts` hosts more with what is kept of this one.
void multiply(Service& service, const std::string& id, int hosts) {
    const auto done = service.database->write([&](soci::session& session) -> Result<void> {
        const std::string numbers =
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < " +
            std::to_string(hosts - 1) + ") ";
        for (const std::string table : {"hosts", "snapshots", "list_chunks"}) {
            session << "create temp table one as select * from " << table;
            std::string columns, values, column, type, initial;
            int number = 0, not_null = 0, key = 0;
            soci::indicator null = soci::i_ok;
            soci::statement select =
                (session.prepare << "pragma table_info(one)", soci::into(number),
                 soci::into(column), soci::into(type), soci::into(not_null),
                 soci::into(initial, null), soci::into(key));
            for (select.execute(); select.fetch();) {
                columns += (columns.empty() ? "" : ", ") + column;
                const bool own = column == "ak" || column == (table == "hosts" ? "id" : "host");
                values += (values.empty() ? "" : ", ") + (own ? column + " || '-' || i" : column);
            }
            session << numbers << "insert into " << table << " (" << columns << ") select "
                    << values << " from one, n";
            session << "drop table one";
        }
        return {};
    });
    if (!done) stop(to_string(done.error()) + " of " + id);
}

void measure_again(int hosts, bool with_long_list, const std::vector<Buffer>& certificates) {
    const auto service = open();
    FleetHost host("web", true);
    trust(*service, host.host.builtin, "build.der");
    for (std::size_t i = 0; i < certificates.size(); ++i)
        trust(*service, certificates[i], std::to_string(i) + ".der");
    const std::string id = enrol(*service, host);
    ordinary(*service, host.host, 340);
    if (with_long_list) churn(host.host, certificates, 10'000);
    const HostRow row = visit(*service, host, 0);
    multiply(*service, id, hosts);
    trust(*service,
          testing::certificate(Host::shared_key(3).get(), "New", Host::shared_key(3).get(), "New"),
          "new.der");
    const double before = cpu();
    const auto begin = std::chrono::steady_clock::now();
    const auto judged = judge_stale(*service);
    const double wall =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!judged || *judged != hosts) stop("not all were judged again");
    std::printf("%d hosts of %llu entries judged again (%s): %.1f s, CPU %.1f s, %.2f ms each\n",
                hosts, static_cast<unsigned long long>(row.entries), row.verdict.c_str(), wall,
                cpu() - before, 1e3 * (cpu() - before) / hosts);
}

}  // namespace

int main(int argc, char** argv) {
    const int hosts = argc > 1 ? std::atoi(argv[1]) : 10'000;
    const int long_hosts = argc > 2 ? std::atoi(argv[2]) : 1'000;
    spdlog::set_level(spdlog::level::off);
    std::vector<Buffer> certificates;
    const Host host;
    for (int i = 0; i < 20; ++i) {
        const auto key = testing::ec_key("P-256");
        certificates.push_back(testing::certificate(key.get(), "Key " + std::to_string(i),
                                                    host.builtin_key.get(), "Build key", {}, 600));
    }
    measure_visits(certificates);
    measure_again(hosts, false, certificates);
    measure_again(long_hosts, true, certificates);
    return 0;
}
