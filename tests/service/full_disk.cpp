// SPDX-License-Identifier: Apache-2.0
// verifier-full-disk VERIFIER: keyscribe-verifier on SQLite on a file system of 3 MiB, until it is
// full and then with more room. As root, in a mount namespace of its own. What finds no room is
// refused and said, nothing of it is kept, and the service goes on when there is room again.
#include <sched.h>
#include <signal.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "tests/support/verifier_process.h"

namespace {

namespace fs = std::filesystem;
using namespace keyscribe::testing;
using nlohmann::json;

unsigned faults = 0;

void check(bool good, const std::string& what) {
    std::printf("%s %s\n", good ? "ok    " : "NOT OK", what.c_str());
    if (!good) ++faults;
}

/// Random, since what is kept is compressed.
Buffer payload(std::size_t size) {
    static std::minstd_rand random{7};
    Buffer bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random() >> 8);
    return bytes;
}

/// A value of the metrics; -1: there is none of this name.
double metric(HttpsClient& client, const std::string& token, const std::string& name) {
    const std::string text = client.send("GET", "/metrics", {}, {}, token).body;
    const auto at = text.find("\nkeyscribe_verifier_" + name + ' ');
    return at == text.npos ? -1 : std::stod(text.substr(text.find(' ', at + 1)));
}

std::uint64_t kept_entries(HttpsClient& client, const std::string& id) {
    const auto session = client.send("POST", "/challenge-response/v1/newSession?host=" + id);
    const json body = json::parse(session.body);
    return body.contains("keyscribe") ? body["keyscribe"]["since"].get<std::uint64_t>() : 0;
}

void run(const std::string& program, const fs::path& folder) {
    const unsigned port = 19000 + static_cast<unsigned>(::getpid() % 900);
    VerifierProcess verifier(program, folder, port,
                             "store.url = \"sqlite:" + (folder / "disk/v.db").string() +
                                 "\"\nenrol.known_by_token = true\nlog.level = \"warning\"\n");
    verifier.start();
    verifier.wait_until_it_serves();
    HttpsClient client(port);
    const std::string token = verifier.enrolment_token(), admin = verifier.operator_token();
    FleetHost host("web", true);
    host.host.good();
    const std::string id = enrol_by_http(host, client, token);
    check(visit_by_http(host, id, client).answer.status == 200, "the first visit");

    // A key of 100 KiB at each visit.
    HttpAnswer refusal;
    std::uint64_t kept = 0;
    int serial = 400;
    for (; refusal.status != 503 && serial < 500; ++serial) {
        kept = kept_entries(client, id);
        host.host.key("staging", payload(100 << 10), serial, "large", "user");
        refusal = visit_by_http(host, id, client).answer;
    }
    check(refusal.status == 503, "a visit is refused with 503 when the disk is full");
    check(refusal.fields["content-type"] == "application/problem+json" &&
              json::parse(refusal.body)["type"] == "urn:keyscribe:problem:store" &&
              refusal.fields.contains("retry-after"),
          "with a problem and when to try again: " + refusal.body);
    check(kept_entries(client, id) == kept, "nothing of it is kept");
    check(metric(client, admin, "store_failures_total{cause=\"full\"}") >= 1, "metrics have it");
    const auto enrolment =
        client.send("POST", "/v1/enrolments", FleetHost("other", true).enrolment(token).dump());
    check(enrolment.status == 503 || enrolment.status == 201,
          "an enrolment is taken or refused with 503: " + std::to_string(enrolment.status));
    check(client.send("GET", "/v1/hosts/" + id, {}, {}, admin).status == 200,
          "what is there can be read");
    check(visit_by_http(host, id, client).answer.status == 503, "and so is the same host's next");

    check(::mount(nullptr, (folder / "disk").c_str(), nullptr, MS_REMOUNT, "size=32m") == 0,
          "the disk gets room");
    check(visit_by_http(host, id, client).answer.status == 200, "the same evidence is taken");
    check(kept_entries(client, id) > kept, "and kept");
    check(metric(client, admin, "store_up") == 1, "metrics have that, too");
    verifier.kill(SIGKILL);
    soci::session session(soci::sqlite3, (folder / "disk/v.db").string());
    std::string integrity;
    session << "pragma integrity_check", soci::into(integrity);
    check(integrity == "ok", "the database is sound: " + integrity);
    verifier.start();
    verifier.wait_until_it_serves();
    HttpsClient again(port);
    check(visit_by_http(host, id, again).answer.status == 200, "after kill -9 it goes on");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    std::string pattern = (fs::temp_directory_path() / "keyscribe-full-disk-XXXXXX").string();
    const fs::path folder = ::mkdtemp(pattern.data());
    fs::create_directory(folder / "disk");
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
        ::mount("none", (folder / "disk").c_str(), "tmpfs", 0, "size=3m") != 0) {
        std::perror("verifier-full-disk");
        return 1;
    }
    try {
        run(argv[1], folder);
    } catch (const std::exception& error) {
        check(false, error.what());
    }
    ::umount2((folder / "disk").c_str(), MNT_DETACH);
    fs::remove_all(folder);
    std::printf("full disk: %u faults\n", faults);
    return faults == 0 ? 0 : 1;
}
