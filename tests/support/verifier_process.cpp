// SPDX-License-Identifier: Apache-2.0
#include "tests/support/verifier_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "controller/base/base64.h"

namespace keyscribe::testing {

using nlohmann::json;

VerifierProcess::VerifierProcess(std::string program, std::filesystem::path folder, unsigned port,
                                 const std::string& settings)
    : program_(std::move(program)), port_(port) {
    const std::string name = std::to_string(port);
    settings_file_ = folder / (name + ".toml");
    output_ = folder / (name + ".out");
    environment_ = "STATE_DIRECTORY=" + folder.string();
    std::ofstream(settings_file_) << "listen.address = \"127.0.0.1\"\nlisten.port = " << port
                                  << '\n'
                                  << settings;
}

VerifierProcess::~VerifierProcess() { kill(SIGKILL); }

void VerifierProcess::start() {
    // Made before fork(): other threads may hold the allocator's lock at that moment.
    const std::array<const char*, 4> arguments{program_.c_str(), "--config", settings_file_.c_str(),
                                               nullptr};
    const std::array<const char*, 2> environment{environment_.c_str(), nullptr};
    const int output = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    process_ = ::fork();
    if (process_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(output, 1);
        ::dup2(output, 2);
        // Sockets of the test's, which would stay open in it when the test closes them.
        ::close_range(3, ~0u, 0);
        ::execve(program_.c_str(), const_cast<char**>(arguments.data()),
                 const_cast<char**>(environment.data()));
        ::_exit(127);
    }
    ::close(output);
}

void VerifierProcess::wait_until_it_serves() const {
    for (;;) {
        try {
            if (HttpsClient(port_).send("GET", "/healthz").status == 200) return;
        } catch (const std::exception&) {
            if (has_ended()) throw std::runtime_error("the verifier ended: " + output_.string());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

bool VerifierProcess::has_ended() const {
    siginfo_t info{};
    // It stays a zombie for kill().
    ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid != 0;
}

void VerifierProcess::kill(int signal) {
    if (process_ == 0) return;
    ::kill(process_, signal);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
}

std::string VerifierProcess::printed_token(const std::string& start) const {
    std::ifstream file(output_);
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(start)) {
            const std::string token = line.substr(line.rfind(' ') + 1);
            return token.substr(0, token.find('.'));
        }
    return {};
}

std::string VerifierProcess::enrolment_token() const { return printed_token("enrolment token"); }
std::string VerifierProcess::operator_token() const { return printed_token("operator's token"); }

std::string enrol_by_http(const FleetHost& host, HttpsClient& client, const std::string& token) {
    const auto begun = client.send("POST", "/v1/enrolments", host.enrolment(token).dump());
    if (begun.status != 201) throw std::runtime_error(begun.body);
    const auto done = client.send("POST", begun.fields.at("location") + "/activation",
                                  host.activation(json::parse(begun.body)).dump());
    if (done.status != 200) throw std::runtime_error(done.body);
    return json::parse(done.body)["host"];
}

VisitAnswer visit_by_http(FleetHost& host, const std::string& id, HttpsClient& client, bool whole) {
    VisitAnswer visit{.answer =
                          client.send("POST", "/challenge-response/v1/newSession?host=" + id)};
    if (visit.answer.status != 201) return visit;
    const json session = json::parse(visit.answer.body);
    visit.nonce = session["nonce"];
    std::uint64_t since = 0;
    if (session.contains("keyscribe") && !whole) since = session["keyscribe"]["since"];
    const Buffer evidence = host.evidence(*from_base64url(visit.nonce), since);
    visit.answer = client.send("POST", visit.answer.fields.at("location"),
                               std::string(evidence.begin(), evidence.end()),
                               "application/vnd.keyscribe.evidence+cbor");
    return visit;
}

}  // namespace keyscribe::testing
