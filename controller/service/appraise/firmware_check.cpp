// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/firmware_check.h"

#include <algorithm>

#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/other_pcrs.h"

namespace keyscribe::appraise {
namespace {

/// What a quote must be over for the log to be compared. PCR 8 and 9 are the boot loader's.
constexpr unsigned kComparedPcrs[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14};
/// systemd-stub's, for the sections of a UKI. No log explains it whole: phases of the boot follow.
constexpr unsigned kStubPcr = 11;
/// systemd's NvPCRs go on in this one, behind os-separator.
constexpr unsigned kNvPcrs = 9;
/// Events of the log that may explain the start of the list's PCR: systemd-stub makes one of the
/// image's extensions, and one of all images'. No digest ties them to anything, and whoever can
/// extend the PCR can invent as many as he likes. But two extends (and os-separator) are not enough
/// for a list that said anything of a key: that has boot_aggregate, keyscribe:start and its policy.
constexpr std::size_t kMaxStartEvents = 2;
constexpr unsigned kPcrsOfAggregate = 10, kPcrsOfSha1Aggregate = 8;

std::string listed(const std::vector<unsigned>& pcrs) {
    std::string text;
    for (const unsigned pcr : pcrs) text += (text.empty() ? "" : ", ") + std::to_string(pcr);
    return text;
}

}  // namespace

FirmwareCheck::FirmwareCheck(const evidence::Evidence& evidence, const AppraisalPolicy& policy,
                             Findings& findings)
    : policy_(policy), findings_(findings) {
    if (read(evidence)) {
        for (const unsigned pcr : kComparedPcrs) compare(evidence, pcr);
        compare(evidence, kStubPcr);
        tell_differences();
        read_variables(*evidence.firmware);
    }
    check_secure_boot();
}

void FirmwareCheck::tell(const Code& code, bool allowed, std::string sentence) {
    findings_.add(code, allowed, std::move(sentence));
}

bool FirmwareCheck::read(const evidence::Evidence& evidence) {
    if (!evidence.firmware) {
        if (policy_.firmware.required)
            tell(codes::kFirmwareLogMissing, false, "the evidence has no log of the firmware's");
        return false;
    }
    auto log = firmware::parse_event_log(evidence.firmware->log);
    if (!log) {
        tell(codes::kFirmwareLogMalformed, policy_.firmware.allow_unreplayed,
             to_string(log.error()));
        return false;
    }
    log_ = std::move(*log);
    for (const Algorithm bank : log_->banks)
        if (const auto values = firmware::replay(*log_, bank)) replayed_.emplace(bank, *values);
    return true;
}

/// Adds the PCR to compared_, where a quote is over it in a bank that is strong enough.
void FirmwareCheck::compare(const evidence::Evidence& evidence, unsigned pcr) {
    PcrBanks quoted;
    for (const evidence::Quote& quote : evidence.quotes)
        if (quoted.empty()) quoted = values_of(quote, pcr);
    Compared one{.plain = true, .separated = firmware::has_os_separator(pcr)};
    for (const auto& [bank, value] : quoted) {
        const auto replayed = replayed_.find(bank);
        if (replayed == replayed_.end()) continue;
        const Digest& plain = replayed->second[pcr];
        one.banks.push_back(bank);
        one.plain = one.plain && (pcr == kStubPcr ? firmware::is_behind_phases(bank, plain, value)
                                                  : value == plain);
        one.separated = one.separated && value == firmware::behind_os_separator(bank, plain);
    }
    if (quoted.empty()) return;
    if (std::ranges::none_of(one.banks, [](Algorithm bank) { return bank != Algorithm::kSha1; })) {
        // SHA-1 vouches for nothing. Where it agrees the log is only one that cannot be compared.
        if (one.plain || one.separated) return;
        one.plain = one.separated = false;
    }
    if (one.separated) separated_ = true;
    compared_.emplace(pcr, std::move(one));
}

void FirmwareCheck::tell_differences() {
    std::vector<unsigned> missing, different, mixed;
    for (const unsigned pcr : kComparedPcrs) {
        const auto found = compared_.find(pcr);
        if (found == compared_.end()) {
            missing.push_back(pcr);
        } else if (!believes(pcr)) {
            if (pcr == kNvPcrs && separated_)
                tell(codes::kFirmwareLogReplay, true,
                     "PCR 9 went on behind os-separator: what the system measured there is not in "
                     "the firmware's log");
            else
                different.push_back(pcr);
        } else if (separated_ && !found->second.separated && firmware::has_os_separator(pcr)) {
            mixed.push_back(pcr);
        }
    }
    if (!missing.empty())
        tell(codes::kFirmwareLogMissing, !policy_.firmware.required,
             "no quote is over PCR " + listed(missing) +
                 " in a bank of SHA-256 or better that the firmware's log has, too: it is not "
                 "compared with it");
    if (!different.empty())
        tell(codes::kFirmwareLogReplay, policy_.firmware.allow_unreplayed,
             "the firmware's log does not give the quoted PCR " + listed(different) +
                 ": nothing that it says of these is believed");
    if (!mixed.empty())
        tell(codes::kFirmwareLogReplay, policy_.firmware.allow_unreplayed,
             "os-separator was extended into other PCRs, and not into " + listed(mixed));
}

bool FirmwareCheck::believes(unsigned pcr) const {
    const auto found = compared_.find(pcr);
    return found != compared_.end() && (found->second.plain || found->second.separated);
}

std::vector<Sha256> FirmwareCheck::measured(unsigned pcr) const {
    std::vector<Sha256> digests;
    if (!believes(pcr)) return digests;
    const std::vector<Algorithm>& banks = compared_.at(pcr).banks;
    if (std::ranges::find(banks, Algorithm::kSha256) == banks.end()) return digests;
    for (const firmware::Event* event : log_->of_pcr(pcr))
        std::ranges::copy(event->digest(Algorithm::kSha256), digests.emplace_back().begin());
    return digests;
}

void FirmwareCheck::read_variables(const evidence::Firmware& from) {
    if (believes(kSecureBootPcr)) {
        auto read = firmware::read_secure_boot(*log_, compared_.at(kSecureBootPcr).banks);
        if (read)
            secure_boot_ = std::move(*read);
        else
            tell(codes::kFirmwareLogMalformed, policy_.firmware.allow_unreplayed,
                 to_string(read.error()));
    }
    if (secure_boot_)
        for (std::string& sentence : secure_boot_->unexpected)
            tell(codes::kFirmwareEvent, policy_.firmware.allow_unknown_events, std::move(sentence));
    if (knows_mok()) read_mok(from);
}

/// By position: shim measures MokList first, before any kernel runs. Names and types prove nothing.
void FirmwareCheck::read_mok(const evidence::Firmware& from) {
    const std::vector<Algorithm>& banks = compared_.at(kMokPcr).banks;
    const auto events = log_->of_pcr(kMokPcr);
    const auto is_event = [&](std::size_t position, Bytes content) {
        return !content.empty() && position < events.size() &&
               events[position]->is_digest_of(content, banks);
    };
    const auto take = [&](std::size_t position, Bytes content, const char* name) {
        if (is_event(position, content)) return content;
        if (!content.empty())
            tell(codes::kFirmwareLogReplay, policy_.firmware.allow_unreplayed,
                 std::string(name) + ", as the host sent it, is not event " +
                     std::to_string(position + 1) + " of PCR 14: it is not believed");
        return Bytes();
    };
    mok_list_ = take(0, from.mok_list, "MokListRT");
    mok_list_x_ = take(1, from.mok_list_x, "MokListXRT");
    lacks_mok_list_x_ =
        events.size() > 1 && mok_list_x_.empty() && !is_event(1, from.mok_list_trusted);
}

void FirmwareCheck::check_secure_boot() {
    const bool allowed = !policy_.firmware.require_secure_boot;
    if (secure_boot_ && !secure_boot_->on)
        tell(codes::kSecureBootOff, allowed, "the host was booted without Secure Boot");
    else if (!secure_boot_ && !allowed)
        tell(codes::kSecureBootOff, false,
             "nothing that a quote covers says whether Secure Boot was on");
}

std::vector<PcrBanks> FirmwareCheck::starts(unsigned pcr, const PcrBanks& like) const {
    if (!log_ || !believes(kSecureBootPcr)) return {};
    if (log_->of_pcr(pcr).size() > kMaxStartEvents) return {};
    PcrBanks start;
    for (const auto& [bank, ignored] : like) {
        const auto replayed = replayed_.find(bank);
        if (replayed == replayed_.end()) return {};
        const Digest& value = replayed->second[pcr];
        const bool separated = separated_ && firmware::has_os_separator(pcr);
        start.emplace_back(bank, separated ? firmware::behind_os_separator(bank, value) : value);
    }
    return {start};
}

std::vector<Digest> FirmwareCheck::aggregates(Algorithm bank) const {
    const unsigned pcrs = bank == Algorithm::kSha1 ? kPcrsOfSha1Aggregate : kPcrsOfAggregate;
    const auto replayed = replayed_.find(bank);
    if (replayed == replayed_.end()) return {};
    std::vector<std::uint8_t> plain, separated;
    for (unsigned pcr = 0; pcr < pcrs; ++pcr) {
        // PCR 9 may have gone on (systemd's NvPCRs); the log still says how it began.
        if (!believes(pcr) && !(pcr == kNvPcrs && separated_ && compared_.contains(pcr))) return {};
        const Digest& value = replayed->second[pcr];
        const Digest behind =
            firmware::has_os_separator(pcr) ? firmware::behind_os_separator(bank, value) : value;
        plain.insert(plain.end(), value.bytes.begin(), value.bytes.begin() + value.size);
        separated.insert(separated.end(), behind.bytes.begin(), behind.bytes.begin() + behind.size);
    }
    std::vector<Digest> found{hash(bank, plain)};
    if (separated_) found.push_back(hash(bank, separated));
    return found;
}

}  // namespace keyscribe::appraise
