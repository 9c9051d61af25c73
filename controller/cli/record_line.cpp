// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/record_line.h"

#include <fmt/format.h>

#include <cstring>
#include <type_traits>

#include "controller/base/printable.h"

namespace keyscribe::cli {
namespace {

std::string shown(const list::KeyringName& keyring) {
    if (keyring.serial == 0 && keyring.name.empty()) return "";
    return keyring.name.empty() ? std::to_string(keyring.serial) : printable(keyring.name);
}

std::string marks_text(std::uint8_t marks) {
    std::string text;
    if (marks & list::kRevoked) text += " [revoked]";
    if (marks & list::kInvalidated) text += " [invalidated]";
    if (marks & list::kNegative) text += " [negative]";
    if (marks & list::kUnderConstruction) text += " [without a payload yet]";
    return text;
}

std::string key_text(const list::KeyFacts& key, std::uint8_t marks) {
    return fmt::format("{} {} ({}){}", printable(key.type), printable(key.description), key.serial,
                       marks_text(marks));
}

/// What the operation made of the key, where the key alone does not say it.
std::string outcome(const list::Event& event) {
    using enum list::Operation;
    switch (event.operation) {
        case kReject:
            return fmt::format(", {}", std::strerror(event.error));
        case kTimeout:
            return event.key.expiry == 0 ? ", never expires"
                                         : fmt::format(", expires at {}", event.key.expiry);
        case kSetperm:
            return fmt::format(", permissions {:08x}", event.key.perm);
        case kChown:
            return fmt::format(", uid {}, gid {}", event.key.uid, event.key.gid);
        case kMove:
            return ", from " + shown(event.from);
        default:
            return event.withheld.empty() ? "" : ", payload: " + printable(event.withheld);
    }
}

RecordLine line_of(const list::Payload& payload) {
    return {.what = "payload",
            .keyring = printable(payload.keyring),
            .text = fmt::format("{} bytes", payload.bytes.size())};
}

RecordLine line_of(const list::Start& start) {
    return {.what = start.kexec   ? "kexec"
                    : start.again ? "restart"
                                  : "start",
            .text = fmt::format("keyscribe {}, Linux {}", printable(start.version),
                                printable(start.kernel))};
}

RecordLine line_of(const list::Policy& policy) {
    RecordLine line{.what = "policy"};
    for (const list::PolicyFile& file : policy.files) {
        if (!line.text.empty()) line.text += ", ";
        line.text += printable(file.name);
    }
    if (line.text.empty()) line.text = "none: nothing more is measured";
    return line;
}

RecordLine line_of(const list::PolicyPart&) { return {.what = "policy-part"}; }

RecordLine line_of(const list::Event& event) {
    RecordLine line{.time = event.key.time,
                    .what = std::string(list::name_of(event.operation)),
                    .keyring = shown(event.key.keyring),
                    .sequence = event.sequence};
    if (event.operation == list::Operation::kRestrict)
        line.text = "to " + (event.restriction && !event.restriction->empty()
                                 ? printable(*event.restriction)
                                 : std::string("no key at all"));
    else if (!list::has(event.operation, KS_ABOUT_KEYRING))
        line.text = key_text(event.key, event.marks) + outcome(event);
    if (event.actor)
        line.who =
            actor_text(printable(event.actor->exe.empty() ? event.actor->comm : event.actor->exe),
                       event.actor->pid, event.actor->uid);
    return line;
}

RecordLine line_of(const list::BaselineBegin& begin) {
    return {.time = begin.time,
            .what = "baseline",
            .text = fmt::format("begins ({}): {} keyrings", printable(begin.reason),
                                begin.keyrings.size())};
}

RecordLine line_of(const list::Baseline& baseline) {
    return {.time = baseline.key.time,
            .what = "baseline",
            .keyring = shown(baseline.key.keyring),
            .text = key_text(baseline.key, baseline.marks)};
}

RecordLine line_of(const list::BaselineEnd& end) {
    return {.time = end.time,
            .what = "baseline",
            .text = fmt::format("ends: {} keyrings, {} keys", end.keyrings, end.keys)};
}

RecordLine line_of(const list::Loss& loss) {
    return {.what = "loss",
            .text = fmt::format("{} operations, {} to {}, were not recorded", loss.count,
                                loss.first, loss.last),
            .warns = true};
}

RecordLine line_of(const list::Missed& missed) {
    return {.what = "missed",
            .text = fmt::format("the kernel skipped {} runs of programs {}", missed.count,
                                printable(missed.operations)),
            .warns = true};
}

RecordLine line_of(const list::Drop& drop) {
    RecordLine line{
        .what = "drop",
        .text = fmt::format("{} operations were given up: {}", drop.count, printable(drop.reason)),
        .warns = true};
    if (drop.uid) line.text += fmt::format(", of uid {}", *drop.uid);
    return line;
}

RecordLine line_of(const list::Foreign& foreign) {
    return {.what = "foreign",
            .text = fmt::format("somebody else extended PCR {}", foreign.pcr),
            .warns = true};
}

RecordLine line_of(const list::Tampered& tampered) {
    return {
        .time = tampered.time, .what = "tampered", .text = printable(tampered.what), .warns = true};
}

RecordLine line_of(const list::TpmChange& change) {
    return {.time = change.time, .what = "tpm", .text = printable(change.what), .warns = true};
}

RecordLine line_of(const list::Detached& detached) {
    return {
        .time = detached.time, .what = "detached", .text = printable(detached.what), .warns = true};
}

RecordLine line_of(const list::Canary& canary) {
    return {.time = canary.time, .what = "canary", .text = "capture was alive"};
}

RecordLine line_of(const list::Unknown& unknown) {
    return {.what = printable(unknown.kind),
            .text = "this build does not know such a record",
            .warns = true};
}

}  // namespace

RecordLine record_line(const list::Record& record) {
    return std::visit([](const auto& told) { return line_of(told); }, record);
}

std::string actor_text(std::string_view program, std::uint32_t pid, std::uint32_t uid) {
    return fmt::format("{} (pid {}, uid {})", program, pid, uid);
}

}  // namespace keyscribe::cli
