// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/collect.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <thread>

#include "controller/base/mapped_file.h"
#include "controller/base/unique_fd.h"
#include "controller/host/measure/covered_prefix.h"
#include "controller/keyrings/completeness.h"
#include "controller/list/list_reader.h"
#include "controller/list/record.h"
#include "controller/list/unfold.h"

namespace keyscribe::attest {
namespace {

using tpm::PcrValues;
using tpm::Tpm;

// A quote that nothing explains: somebody else extended the PCR, and the daemon, which looks every
// few seconds, has not recorded it yet.
constexpr int kAttempts = 8;
constexpr auto kPause = std::chrono::seconds(1);
constexpr auto kBaselinePause = std::chrono::milliseconds(200);

/// Whether the list tells what the keyrings held after the last start, restart and policy. Evidence
/// without that contraindicates its host.
bool is_whole(Bytes list) {
    keyrings::Completeness completeness;
    return list::for_each_record(
               list, [&](const list::LogicalRecord& record) { completeness.record(record); })
               .has_value() &&
           completeness.whole();
}

bool has_canary(Bytes list, Bytes nonce) {
    bool found = false;
    (void)list::for_each_record(list, [&](const list::LogicalRecord& record) {
        if (list::record_kind(record.name) != "canary") return;
        const auto parsed = list::parse_record(record.name, record.buf);
        const auto* canary = parsed ? std::get_if<list::Canary>(&*parsed) : nullptr;
        if (canary != nullptr && std::ranges::equal(canary->nonce, nonce)) found = true;
    });
    return found;
}

/// Reads, not maps: the daemon may cut the list's last, torn entry off at any time, and securityfs
/// cannot be mapped.
Result<std::vector<std::uint8_t>> read_whole(const std::filesystem::path& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open the list", path.string(),
                          errno == ENOENT ? "nothing was measured since the boot"
                                          : "be root, or a member of the group keyscribe");
    std::vector<std::uint8_t> bytes;
    std::size_t size = 0;
    for (;;) {
        bytes.resize(std::max<std::size_t>(2 * size, 65536));
        const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
        if (got < 0) return fail_errno("cannot read the list", path.string());
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    bytes.resize(size);
    return bytes;
}

evidence::PcrSet in_set(unsigned pcr, const PcrValues& values) {
    evidence::PcrSet set;
    for (const auto& [bank, value] : values) set[bank][pcr] = value;
    return set;
}

/// The firmware's log and what shim left for the kernel (drivers/firmware/efi/mokvar-table.c), with
/// the PCRs that they are of. Returns whether there is a log: a host without UEFI or a TPM driver
/// that the kernel knows has none.
bool read_firmware(const Request& request, Collected& to, std::set<unsigned>& pcrs) {
    std::error_code ignored;
    if (!request.firmware || !std::filesystem::exists(request.firmware_log, ignored)) return false;
    const auto read = [&](const std::filesystem::path& path, std::size_t limit,
                          std::vector<std::uint8_t>& into) -> Result<void> {
        auto bytes = MappedFile::open(path);
        if (!bytes) return std::unexpected(bytes.error());
        if (bytes->bytes().size() > limit)
            return fail("it has more than " + std::to_string(limit) + " bytes", path.string());
        into.assign(bytes->bytes().begin(), bytes->bytes().end());
        return {};
    };
    auto done = read(request.firmware_log, evidence::kMaxFirmwareLog, to.firmware_log);
    const auto variable = [&](const char* name, std::vector<std::uint8_t>& into) {
        const auto path = request.mok_directory / name;
        if (done && std::filesystem::exists(path, ignored))
            done = read(path, evidence::kMaxMokVariable, into);
    };
    variable("MokListRT", to.mok_list);
    variable("MokListXRT", to.mok_list_x);
    variable("MokListTrustedRT", to.mok_list_trusted);
    if (done && to.firmware_log.empty()) return false;
    if (!done) {
        to.without_firmware = done.error();
        return false;
    }
    // What the firmware, shim and the boot loader extend.
    for (unsigned pcr = 0; pcr <= 9; ++pcr) pcrs.insert(pcr);
    pcrs.insert(14);
    return true;
}

/// Our PCR's quote and what of the list it covers.
struct ListQuote {
    SignedQuote quote;
    PcrValues values;
    measure::CoveredPrefix prefix;
    bool explained = false;
};

Result<ListQuote> quote_list(Tpm& tpm, const Request& request, const std::vector<Algorithm>& banks,
                             std::vector<std::uint8_t>& list) {
    for (int attempt = 1;; ++attempt) {
        auto quote = take_quote(tpm, request.ak_handle, request.nonce, banks, {request.pcr});
        if (!quote) return std::unexpected(quote.error());
        auto read = read_whole(request.list);
        if (!read) return std::unexpected(read.error());
        list = std::move(*read);
        const auto quoted = quoted_pcrs(quote->attest, quote->signature);
        if (!quoted) return std::unexpected(quoted.error());
        const auto covered = measure::find_covered(
            list, Algorithm::kSha1, request.pcr, banks, true,
            [&](const PcrValues& values) { return quoted->covers(in_set(request.pcr, values)); });
        if (covered) return ListQuote{std::move(*quote), covered->values, *covered, true};
        const auto found = tpm.read_pcr(request.pcr, banks);
        if (!found) return std::unexpected(found.error());
        if (attempt >= kAttempts && quoted->covers(in_set(request.pcr, *found)))
            return ListQuote{std::move(*quote), *found,
                             measure::whole_entries(list, Algorithm::kSha1), false};
        if (attempt >= 2 * kAttempts)
            return fail("PCR " + std::to_string(request.pcr) +
                            " changes all the time, and the list does not explain it",
                        "TPM2_Quote", "somebody else extends it: choose another PCR (tpm.pcr)");
        std::this_thread::sleep_for(kPause);
    }
}

/// The quote over further PCRs, and what of the kernel's list it covers.
struct PlatformQuote {
    SignedQuote quote;
    evidence::PcrSet values;
    std::optional<measure::CoveredPrefix> ima;
    bool ima_explained = false;
};

constexpr unsigned kImaPcr = 10;

Result<evidence::PcrSet> read_set(Tpm& tpm, const std::vector<Algorithm>& banks,
                                  const std::vector<unsigned>& pcrs) {
    evidence::PcrSet set;
    for (const Algorithm bank : banks) {
        const auto values = tpm.read_pcrs(bank, pcrs);
        if (!values) return std::unexpected(values.error());
        for (std::size_t i = 0; i < pcrs.size(); ++i) set[bank][pcrs[i]] = (*values)[i];
    }
    return set;
}

/// The kernel's list with the digests that IMA's tools know best.
std::optional<std::pair<std::filesystem::path, Algorithm>> find_ima(
    const std::filesystem::path& directory) {
    const auto path = directory / "binary_runtime_measurements";
    std::error_code ignored;
    if (const auto sha256 = path.string() + "_sha256"; std::filesystem::exists(sha256, ignored))
        return std::pair(std::filesystem::path(sha256), Algorithm::kSha256);
    if (std::filesystem::exists(path, ignored)) return std::pair(path, Algorithm::kSha1);
    return std::nullopt;
}

Result<PlatformQuote> quote_platform(Tpm& tpm, const Request& request,
                                     const std::vector<unsigned>& pcrs,
                                     std::optional<Algorithm>& ima_digests,
                                     std::vector<std::uint8_t>& ima) {
    const auto banks = tpm.banks(pcrs.front());
    if (!banks) return std::unexpected(banks.error());
    const bool with_ima = std::ranges::find(pcrs, kImaPcr) != pcrs.end();
    for (int attempt = 1;; ++attempt) {
        auto quote = take_quote(tpm, request.ak_handle, request.nonce, *banks, pcrs);
        if (!quote) return std::unexpected(quote.error());
        const auto quoted = quoted_pcrs(quote->attest, quote->signature);
        if (!quoted) return std::unexpected(quoted.error());
        auto values = read_set(tpm, *banks, pcrs);
        if (!values) return std::unexpected(values.error());
        PlatformQuote result{std::move(*quote), std::move(*values), std::nullopt, false};
        bool matches = quoted->covers(result.values);
        if (const auto path = with_ima ? find_ima(request.ima_directory) : std::nullopt) {
            auto read = read_whole(path->first);
            if (!read) return std::unexpected(read.error());
            ima = std::move(*read);
            if (!request.ima_former.empty()) {
                const auto former = read_whole(request.ima_former);
                if (!former) return std::unexpected(former.error());
                ima.insert(ima.begin(), former->begin(), former->end());
            }
            ima_digests = path->second;
            // PCR 10 may have gone on since the quote; the others stand still.
            const auto covered = measure::find_covered(
                ima, *ima_digests, kImaPcr, *banks, false, [&](const PcrValues& candidate) {
                    evidence::PcrSet all = result.values;
                    for (const auto& [bank, value] : candidate) all[bank][kImaPcr] = value;
                    return quoted->covers(all);
                });
            if (covered) {
                for (const auto& [bank, value] : covered->values)
                    result.values[bank][kImaPcr] = value;
                matches = true;
            }
            result.ima_explained = covered.has_value();
            result.ima = covered ? *covered : measure::whole_entries(ima, *ima_digests);
        }
        if (matches) return result;
        if (attempt == kAttempts)
            return fail("the PCRs asked for change faster than they can be quoted", "TPM2_Quote",
                        "ask for fewer: --pcrs 0-9");
    }
}

std::uint64_t nanoseconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(now.tv_nsec);
}

void describe_host(Collected& to) {
    utsname about{};
    ::uname(&about);
    to.software = "keyscribe " KEYSCRIBE_VERSION;
    to.kernel = about.release;
    to.boot_id = boot_id();
    // Strings move with their views only where they do not lie in the object itself.
    for (std::string* text : {&to.software, &to.kernel, &to.boot_id}) text->reserve(64);
    to.evidence.software = to.software;
    to.evidence.kernel = to.kernel;
    to.evidence.boot_id = to.boot_id;
    to.evidence.time = nanoseconds(CLOCK_REALTIME) / 1'000'000'000u;
    to.evidence.boot_time = nanoseconds(CLOCK_BOOTTIME);
}

/// The part of a list from entry `since` on.
Result<evidence::List> cut(Bytes list, Algorithm digests, const measure::CoveredPrefix& covered,
                           std::uint64_t since, const char* option) {
    if (since > covered.entries)
        return fail("the list has " + std::to_string(covered.entries) +
                        " entries, and those from " + std::to_string(since) + " on were asked for",
                    option, "the host was booted anew: ask for the whole list");
    list::ListReader reader(list.first(covered.bytes), digests);
    for (std::uint64_t entry = 0; entry < since; ++entry)
        if (auto next = reader.next(); !next) return std::unexpected(next.error());
    const std::size_t offset = reader.offset();
    return evidence::List{.entries = covered.entries,
                          .offset = offset,
                          .from_entry = since,
                          .data = list.subspan(offset, covered.bytes - offset)};
}

}  // namespace

std::string boot_id() {
    const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    std::array<char, 64> text;
    const ssize_t got = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
    std::string id(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    while (id.ends_with('\n')) id.pop_back();
    return id;
}

Result<Collected> collect(Tpm& tpm, const Request& request) {
    Collected out;
    auto ak = read_ak_quickly(tpm, request.ak_handle, request.ek);
    if (!ak) return std::unexpected(ak.error());
    out.ak = std::move(*ak);
    auto certificate = read_ek_certificate(tpm, request.ek);
    if (!certificate) return std::unexpected(certificate.error());
    const auto banks = tpm.banks(request.pcr);
    if (!banks) return std::unexpected(banks.error());

    const auto give_up = std::chrono::steady_clock::now() + request.patience;
    auto first = quote_list(tpm, request, *banks, out.list);
    for (;; first = quote_list(tpm, request, *banks, out.list)) {
        if (!first) return std::unexpected(first.error());
        const Bytes covered = Bytes(out.list).first(first->prefix.bytes);
        out.whole = is_whole(covered);
        out.canary = has_canary(covered, request.nonce);
        const bool ready = out.whole && (out.canary || !request.canary);
        if (ready || std::chrono::steady_clock::now() >= give_up) break;
        std::this_thread::sleep_for(kBaselinePause);
    }
    out.explained = first->explained;
    out.quotes.push_back(std::move(first->quote));
    std::optional<PlatformQuote> second;
    std::optional<Algorithm> ima_digests;
    std::set<unsigned> pcrs(request.pcrs.begin(), request.pcrs.end());
    const bool firmware = read_firmware(request, out, pcrs);
    pcrs.erase(request.pcr);  // quoted already, with the list that goes with it
    if (!pcrs.empty()) {
        const std::vector<unsigned> sorted(pcrs.begin(), pcrs.end());
        auto quoted = quote_platform(tpm, request, sorted, ima_digests, out.ima);
        if (!quoted) return std::unexpected(quoted.error());
        second = std::move(*quoted);
        out.ima_explained = second->ima_explained;
        out.quotes.push_back(std::move(second->quote));
    }

    describe_host(out);
    evidence::Evidence& evidence = out.evidence;
    evidence.ak = out.ak.tpmt_public;
    evidence.ak_name = out.ak.name;
    if (*certificate) {
        out.ek_certificate = std::move(**certificate);
        evidence.ek_certificate = out.ek_certificate;
    }
    evidence.pcr = request.pcr;
    for (const SignedQuote& quote : out.quotes)
        evidence.quotes.push_back(
            {.attest = quote.attest, .signature = quote.signature, .pcrs = {}});
    evidence.quotes[0].pcrs = in_set(request.pcr, first->values);
    if (second) evidence.quotes[1].pcrs = std::move(second->values);
    auto list = cut(out.list, Algorithm::kSha1, first->prefix, request.since, "--since");
    if (!list) return std::unexpected(list.error());
    evidence.list = *list;
    if (second && second->ima) {
        const auto ima = cut(out.ima, *ima_digests, *second->ima, request.ima_since, "--ima-since");
        if (!ima) return std::unexpected(ima.error());
        evidence.ima = evidence::ImaList{.algorithm = *ima_digests,
                                         .entries = ima->entries - ima->from_entry,
                                         .data = ima->data,
                                         .offset = ima->offset,
                                         .from_entry = ima->from_entry};
    }
    if (firmware)
        evidence.firmware = evidence::Firmware{.log = out.firmware_log,
                                               .mok_list = out.mok_list,
                                               .mok_list_x = out.mok_list_x,
                                               .mok_list_trusted = out.mok_list_trusted};
    return out;
}

}  // namespace keyscribe::attest
