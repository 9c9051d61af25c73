// SPDX-License-Identifier: Apache-2.0
// keyscribe enrol: makes this host one of a verifier's.
#include "controller/host/fleet/enrol.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <memory>
#include <thread>

#include "controller/cli/commands.h"
#include "controller/cli/units.h"
#include "controller/host/attest/ak.h"
#include "controller/host/fleet/enrolment_file.h"

namespace keyscribe::cli {
namespace {

using attest::EkAlgorithm;
using fleet::Connection;
using fleet::EnrolmentState;

/// How often --wait asks: an operator's yes takes longer.
constexpr std::chrono::seconds kPollInterval{2};

constexpr std::size_t kLongestToken = 1024;

struct EnrolOptions {
    std::string url, token, name, algorithm = "ecc";
    std::filesystem::path token_file, ca;
    bool replace = false, wait = false, no_units = false;
    unsigned timeout = 600;
};

/// Of a pipe, too: a program that keeps secrets prints it.
Result<std::string> read_token(const std::filesystem::path& path) {
    std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
    if (!file) return fail_errno("cannot read the token", path.string());
    std::string text(kLongestToken, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return fail_errno("cannot read the token", path.string());
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

Result<fleet::Token> token_of(const EnrolOptions& wanted) {
    if (wanted.token_file.empty()) return fleet::parse_token(wanted.token);
    const auto text = read_token(wanted.token_file);
    if (!text) return std::unexpected(text.error());
    return fleet::parse_token(*text);
}

Result<fleet::Verifier> verifier_of(const EnrolOptions& wanted, const fleet::Token& token) {
    auto verifier = fleet::parse_url(wanted.url);
    if (!verifier) return verifier;
    if (wanted.ca.empty()) {
        verifier->pin = token.pin;
        return verifier;
    }
    std::error_code code;
    verifier->ca = std::filesystem::canonical(wanted.ca, code);
    if (code) return fail("cannot read it: " + code.message(), wanted.ca.string());
    return verifier;
}

std::string host_name() {
    std::array<char, 254> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name.data();
}

/// The attestation key, made where there is none, and what the TPM has to say for itself.
Result<fleet::Identity> identity_of(tpm::Tpm& tpm, const settings::Config& config, EkAlgorithm ek,
                                    const std::string& algorithm) {
    const std::uint32_t handle = config.attest.ak_handle;
    const auto there = attest::has_ak(tpm, handle);
    if (!there) return std::unexpected(there.error());
    const auto ak = *there ? attest::read_ak_quickly(tpm, handle, ek)
                           : attest::create_ak(tpm, handle, algorithm, ek, false);
    if (!ak) return std::unexpected(ak.error());
    if (!*there) fmt::print("attestation key made at 0x{:08x}\n", handle);
    const auto endorsement = attest::read_ek(tpm, ek);
    if (!endorsement) return std::unexpected(endorsement.error());
    auto certificate = attest::read_ek_certificate(tpm, ek);
    if (!certificate) return std::unexpected(certificate.error());
    auto chain = attest::read_ek_chain(tpm);
    if (!chain) return std::unexpected(chain.error());
    return fleet::Identity{.name = {},
                           .ak_public = attest::to_tpm2b(ak->tpmt_public),
                           .ek_public = attest::to_tpm2b(endorsement->tpmt_public),
                           .ek_certificate = std::move(*certificate),
                           .ek_chain = std::move(*chain)};
}

int refused_by_verifier(const EnrolmentState& state) {
    return report({"the verifier refuses this host" +
                       (state.reason.empty() ? std::string() : ": " + state.reason),
                   "host " + state.host, "ask whoever runs the verifier"});
}

/// Until an operator says yes or no, or the time is over. A verifier that is away meanwhile is
/// waited for, too.
int wait_for_yes(const fleet::Enrolment& enrolment, unsigned seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    for (;;) {
        Error why{"nobody has said yes yet", "host " + enrolment.host,
                  "the host goes on asking: keyscribe status"};
        if (auto connection = Connection::open(enrolment.verifier); !connection) {
            why = connection.error();
        } else if (const auto state =
                       fleet::enrolment_state(*connection, enrolment.verifier, enrolment.id);
                   !state) {
            why = state.error().error;
        } else if (state->state == "accepted") {
            fmt::print("accepted\n");
            return 0;
        } else if (state->state == "refused") {
            return refused_by_verifier(*state);
        }
        if (std::chrono::steady_clock::now() + kPollInterval >= deadline) return report(why);
        std::this_thread::sleep_for(kPollInterval);
    }
}

struct Proven {
    std::string id;
    EnrolmentState state;
};

/// Shows the verifier what the TPM is. Connection and TPM are closed again when it returns.
Result<Proven> prove(const settings::Config& config, const EnrolOptions& wanted,
                     const fleet::Verifier& verifier, const std::string& token) {
    // Before the TPM is asked, which may take a minute.
    auto connection = Connection::open(verifier);
    if (!connection) return std::unexpected(connection.error());
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return std::unexpected(tpm.error());
    const EkAlgorithm ek = config.attest.ek == "rsa" ? EkAlgorithm::kRsa : EkAlgorithm::kEcc;
    auto identity = identity_of(*tpm, config, ek, wanted.algorithm);
    if (!identity) return std::unexpected(identity.error());
    identity->name = wanted.name;
    const auto challenge = fleet::begin_enrolment(*connection, verifier, token, *identity);
    if (!challenge) return std::unexpected(challenge.error().error);
    const auto secret =
        attest::activate_credential(*tpm, config.attest.ak_handle, ek, challenge->credential);
    if (!secret) return std::unexpected(secret.error());
    const auto state = fleet::activate(*connection, verifier, challenge->id, *secret);
    if (!state) return std::unexpected(state.error().error);
    return Proven{challenge->id, *state};
}

/// What follows once the TPM has shown what it is.
int keep_and_wait(const settings::Config& config, const EnrolOptions& wanted,
                  const fleet::Enrolment& enrolment, bool accepted) {
    if (auto kept = fleet::keep_enrolment(config.verifier.directory, enrolment); !kept)
        return report(kept.error());
    fmt::print("{}: the host is {}\n", accepted ? "accepted" : "waiting for an operator's yes",
               enrolment.host);
    if (!wanted.no_units) {
        const auto enabled = enable_attest_units();
        if (!enabled) return report(enabled.error());
        if (!*enabled)
            fmt::print("systemd does not run here: have something call keyscribe attest\n");
    }
    std::fflush(stdout);
    if (!accepted && wanted.wait)
        if (const int status = wait_for_yes(enrolment, wanted.timeout); status != 0) return status;
    if (!wanted.no_units && (accepted || wanted.wait)) start_visit();
    return 0;
}

int enrol(const settings::Config& config, EnrolOptions wanted) {
    const auto token = token_of(wanted);
    if (!token) return report(token.error());
    const auto verifier = verifier_of(wanted, *token);
    if (!verifier) return report(verifier.error());
    if (wanted.name.empty()) wanted.name = host_name();
    if (!fleet::is_name(wanted.name))
        return report({"not a name for a host: " + wanted.name, "--name",
                       "expected are at most 253 of the characters A-Z a-z 0-9 . _ -"});
    const auto former = fleet::read_enrolment(config.verifier.directory);
    if (!former && !wanted.replace) return report(former.error());
    if (former && *former && (*former)->verifier.url() != verifier->url() && !wanted.replace)
        return report({"this host is enrolled already, with " + (*former)->verifier.url(),
                       config.verifier.directory.string(), "--replace leaves that verifier"});
    const auto proven = prove(config, wanted, *verifier, token->secret);
    if (!proven) return report(proven.error());
    if (proven->state.state == "refused") return refused_by_verifier(proven->state);
    return keep_and_wait(config, wanted,
                         {.verifier = *verifier,
                          .id = proven->id,
                          .host = proven->state.host,
                          .name = wanted.name,
                          .ak_handle = config.attest.ak_handle},
                         proven->state.state == "accepted");
}

}  // namespace

void add_enrol(CLI::App& app, Context& context) {
    CLI::App* command = app.add_subcommand(
        "enrol", "Make this host one of a verifier's, which it then visits by itself");
    const auto wanted = std::make_shared<EnrolOptions>();
    command->add_option("url", wanted->url, "the verifier's address, https://HOST:PORT")
        ->required();
    auto* token = command->add_option("--token", wanted->token, "what the verifier gave for it");
    command
        ->add_option("--token-file", wanted->token_file,
                     "a file with the token, which no list of processes shows; - for stdin")
        ->excludes(token);
    command->add_option("--name", wanted->name, "the host's name there, instead of its own");
    command->add_option("--ca", wanted->ca,
                        "certificates of authorities (PEM) of which one vouches for the verifier's "
                        "name, instead of the token's pin");
    command
        ->add_option("--algorithm", wanted->algorithm,
                     "of an attestation key that has to be made, as of `ak create`")
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(attest::kAkAlgorithms),
                                                       std::end(attest::kAkAlgorithms))))
        ->capture_default_str();
    command->add_flag("--replace", wanted->replace, "leave the verifier of before");
    command->add_flag("--wait", wanted->wait, "until the verifier has accepted the host");
    command->add_option("--timeout", wanted->timeout, "seconds that --wait takes at most")
        ->capture_default_str();
    command->add_flag("--no-units", wanted->no_units,
                      "do not enable keyscribe-attest.timer and keyscribe-attest.path");
    const auto run = with_config(
        context, [wanted](const settings::Config& config) { return enrol(config, *wanted); });
    command->callback([wanted, run] {
        if (wanted->token.empty() && wanted->token_file.empty())
            throw CLI::RequiredError("--token or --token-file");
        run();
    });
}

}  // namespace keyscribe::cli
