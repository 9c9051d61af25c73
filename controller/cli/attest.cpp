// SPDX-License-Identifier: Apache-2.0
// keyscribe attest: visits the verifier with what is new.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include "controller/cli/commands.h"
#include "controller/cli/evidence_request.h"
#include "controller/host/fleet/enrol.h"
#include "controller/host/fleet/last_visit.h"
#include "controller/host/fleet/visit.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/json_text.h"

namespace keyscribe::cli {
namespace {

using fleet::LastVisit;
using fleet::Verdict;
using std::chrono::milliseconds;

constexpr int kNoVerdict = 3;
/// Keys come in bunches: what follows within this time is sent together.
constexpr milliseconds kCoalescing{150};
/// Visits of one run, where the list goes on growing.
constexpr int kRounds = 5;
/// A verifier that asks for patience is waited for so long at most; the timer comes again.
constexpr std::chrono::seconds kLongestPause{60};
constexpr int kPauses = 3;

struct AttestOptions {
    std::string pcrs = "0-10";
    unsigned jitter = 0;  ///< milliseconds
    bool canary = false, json = false;
};

milliseconds random_time(milliseconds most) {
    std::random_device device;
    return milliseconds(std::uniform_int_distribution<milliseconds::rep>(0, most.count())(device));
}

/// Sends evidence, and remembers how much of the list it had.
class Visitor {
  public:
    Visitor(const settings::Config& config, const AttestOptions& wanted, std::vector<unsigned> pcrs,
            const fleet::Enrolment& enrolment)
        : config_(config), wanted_(wanted), pcrs_(std::move(pcrs)), enrolment_(enrolment) {}

    fleet::Answered<fleet::Visit> visit() {
        take_mark();
        auto connection = fleet::Connection::open(enrolment_.verifier);
        if (!connection) return fleet::without_answer(connection.error());
        return fleet::visit(*connection, enrolment_, attest::boot_id(),
                            [this](const fleet::Challenged& wanted) { return collect(wanted); });
    }

    /// Whether the list has more by now than what was sent. Looked at after the mark was taken
    /// away: what comes later makes another, and systemd another visit.
    bool is_behind() const {
        take_mark();
        std::error_code code;
        const auto size =
            std::filesystem::file_size(config_.list.directory / measure::ListFiles::kBinary, code);
        return !code && size > sent_up_to_;
    }

  private:
    void take_mark() const {
        std::error_code ignored;
        std::filesystem::remove(config_.list.directory / measure::ListFiles::kGrown, ignored);
    }

    Result<std::vector<std::uint8_t>> collect(const fleet::Challenged& wanted) {
        if (wanted_.canary)
            if (auto asked = ask_for_canary(config_, wanted.nonce); !asked)
                return std::unexpected(asked.error());
        attest::Request request = evidence_request(config_, wanted.nonce, pcrs_);
        request.since = wanted.since;
        request.ima_since = wanted.ima_since;
        request.canary = wanted_.canary;
        // Only while it is needed: the TPM's resource manager has few places.
        auto tpm = tpm::Tpm::open(config_.tpm.tcti);
        if (!tpm) return std::unexpected(tpm.error());
        const auto collected = attest::collect(*tpm, request);
        if (!collected) return std::unexpected(collected.error());
        if (auto good = look_at(*collected, request); !good) return std::unexpected(good.error());
        const evidence::List& list = collected->evidence.list;
        sent_up_to_ = list.offset + list.data.size();
        return evidence::encode_cbor(collected->evidence);
    }

    const settings::Config& config_;
    const AttestOptions& wanted_;
    std::vector<unsigned> pcrs_;
    const fleet::Enrolment& enrolment_;
    std::uint64_t sent_up_to_ = 0;  // bytes of the list
};

/// As visit(), and again where the verifier asks for patience.
fleet::Answered<fleet::Visit> patient_visit(Visitor& visitor) {
    for (int pauses = 0;; ++pauses) {
        auto done = visitor.visit();
        if (done || !done.error().retry_after || *done.error().retry_after > kLongestPause ||
            pauses == kPauses)
            return done;
        const milliseconds pause = *done.error().retry_after;
        // Not all at once, who were sent away at once.
        std::this_thread::sleep_for(pause + random_time(pause / 2 + milliseconds(500)));
    }
}

std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// Why the verifier takes no evidence of this host: it waits for a yes, or was refused. Nothing: it
/// is accepted, or the verifier does not say.
std::optional<Error> not_accepted(const fleet::Enrolment& enrolment) {
    auto connection = fleet::Connection::open(enrolment.verifier);
    if (!connection) return std::nullopt;
    const auto state = fleet::enrolment_state(*connection, enrolment.verifier, enrolment.id);
    if (state && state->state == "waiting")
        return Error{"waiting for an operator's yes: the host is " + state->host,
                     enrolment.verifier.url(), ""};
    if (state && state->state == "refused")
        return Error{"the verifier has refused this host: " + state->reason,
                     enrolment.verifier.url(), "ask whoever runs it"};
    return std::nullopt;
}

/// As patient_visit(). Who never got a verdict asks first whether it may: a list has up to many MB,
/// and an operator may sleep.
fleet::Answered<fleet::Visit> visit_once(Visitor& visitor, const fleet::Enrolment& enrolment,
                                         bool had_verdict) {
    if (!had_verdict)
        if (const auto why = not_accepted(enrolment)) return fleet::without_answer(*why);
    auto done = patient_visit(visitor);
    if (!done && done.error().word == "unknown-host")
        if (const auto why = not_accepted(enrolment)) return fleet::without_answer(*why);
    return done;
}

void print_visit(const fleet::Enrolment& enrolment, const LastVisit& last,
                 const fleet::Visit& visit, bool as_json) {
    if (!as_json) {
        fmt::print("{}: {} ({} bytes of evidence, {})\n", printable(enrolment.verifier.url()),
                   last.verdict, visit.sent, visit.whole ? "all" : "what is new");
        return;
    }
    nlohmann::json told = fleet::to_json(last);
    told["url"] = enrolment.verifier.url();
    told["host"] = enrolment.host;
    told["sent"] = visit.sent;
    told["whole"] = visit.whole;
    told["result"] = visit.result;
    fmt::print("{}\n", list::json_text(told, 2));
}

int visit_all(const settings::Config& config, const AttestOptions& wanted,
              const fleet::Enrolment& enrolment, std::vector<unsigned> pcrs) {
    const auto& folder = config.verifier.directory;
    Visitor visitor(config, wanted, std::move(pcrs), enrolment);
    std::this_thread::sleep_for(random_time(milliseconds(wanted.jitter)));
    for (int round = 1;; ++round) {
        const auto before = fleet::read_last_visit(folder);
        const auto done = visit_once(visitor, enrolment, before && before->answered != 0);
        const LastVisit last =
            done ? fleet::after_verdict(now(), std::string(fleet::name_of(done->verdict)))
                 : fleet::after_failure(now(), before, to_string(done.error().error));
        const auto kept = fleet::keep_last_visit(folder, last);
        if (!done) {
            (void)report(done.error().error);
            return kNoVerdict;
        }
        if (!kept) (void)report(kept.error());
        if (round < kRounds && visitor.is_behind()) {
            std::this_thread::sleep_for(kCoalescing);
            continue;
        }
        print_visit(enrolment, last, *done, wanted.json);
        return static_cast<int>(done->verdict);
    }
}

int run_attest(const settings::Config& config, const AttestOptions& wanted) {
    const auto failed = [](const Error& error) {
        (void)report(error);
        return kNoVerdict;
    };
    const auto pcrs = parse_pcrs(wanted.pcrs);
    if (!pcrs) return failed(pcrs.error());
    const auto enrolment = fleet::read_enrolment(config.verifier.directory);
    if (!enrolment) return failed(enrolment.error());
    if (!*enrolment)
        return failed({"this host is enrolled with no verifier", config.verifier.directory.string(),
                       "keyscribe enrol https://VERIFIER --token TOKEN"});
    if ((*enrolment)->ak_handle != config.attest.ak_handle)
        return failed({"the host was enrolled with another attestation key", "attest.ak_handle",
                       "enrol it again: keyscribe enrol"});
    return visit_all(config, wanted, **enrolment, *pcrs);
}

}  // namespace

void add_attest(CLI::App& app, Context& context) {
    CLI::App* command = app.add_subcommand(
        "attest",
        "Visit the verifier with what is new; exit status 0 affirmed, 1 contraindicated, "
        "2 no verdict, 3 no answer");
    const auto wanted = std::make_shared<AttestOptions>();
    command
        ->add_option("--pcrs", wanted->pcrs,
                     "a second quote, over these PCRs; with 10 the kernel's IMA list")
        ->capture_default_str();
    command->add_flag("--canary", wanted->canary,
                      "with a record that capture worked just now, as of `evidence`");
    command
        ->add_option("--jitter", wanted->jitter,
                     "first wait a random time of at most so many milliseconds")
        ->capture_default_str();
    command->add_flag("--json", wanted->json, "as JSON, with the verifier's result");
    command->callback(with_config(
        context, [wanted](const settings::Config& config) { return run_attest(config, *wanted); }));
}

}  // namespace keyscribe::cli
