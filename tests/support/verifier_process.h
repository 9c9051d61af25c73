// SPDX-License-Identifier: Apache-2.0
// Processes of keyscribe-verifier that a test starts, kills and starts again, and what simulated
// hosts ask them.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "tests/support/fleet_host.h"
#include "tests/support/https_client.h"

namespace keyscribe::testing {

class VerifierProcess {
  public:
    /// `settings` is verifier.toml without the port. Its output and its state lie in `folder`.
    VerifierProcess(std::string program, std::filesystem::path folder, unsigned port,
                    const std::string& settings);
    VerifierProcess(const VerifierProcess&) = delete;
    VerifierProcess& operator=(const VerifierProcess&) = delete;
    ~VerifierProcess();

    void start();
    /// Until /healthz says that all is well. Throws std::runtime_error where the process ended.
    void wait_until_it_serves() const;
    bool has_ended() const;
    void kill(int signal);
    pid_t id() const { return process_; }
    unsigned port() const { return port_; }
    /// What the first process of a database prints, without the pin.
    std::string enrolment_token() const;
    std::string operator_token() const;

  private:
    std::string printed_token(const std::string& line) const;
    std::string program_, settings_file_, environment_;
    std::filesystem::path output_;
    unsigned port_;
    pid_t process_ = 0;
};

/// Both steps of the enrolment. Returns the host's id. Throws what the verifier said, where it
/// refused.
std::string enrol_by_http(const FleetHost& host, HttpsClient& client, const std::string& token);

struct VisitAnswer {
    std::string nonce;  ///< Base64url
    HttpAnswer answer;  ///< to the evidence, or to the request of a session where that failed
};

/// A session, and evidence with what is new, or with the whole list.
VisitAnswer visit_by_http(FleetHost& host, const std::string& id, HttpsClient& client,
                          bool whole = false);

}  // namespace keyscribe::testing
