// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/evidence_request.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "controller/base/printable.h"
#include "controller/cli/client.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/json_text.h"

namespace keyscribe::cli {
namespace {

/// A baseline of 1,000 keys takes a TPM 0.2 s; a daemon that starts has to load its programs first.
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

Result<std::vector<unsigned>> parse_pcrs(const std::string& text) {
    std::set<unsigned> pcrs;
    const char* at = text.data();
    const char* end = at + text.size();
    while (at != end) {
        unsigned first = 0, last = 0;
        auto read = std::from_chars(at, end, first);
        last = first;
        if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-')
            read = std::from_chars(read.ptr + 1, end, last);
        const bool more = read.ptr != end && *read.ptr == ',' && read.ptr + 1 != end;
        if (read.ec != std::errc() || first > last || last > evidence::kMaxPcr ||
            (read.ptr != end && !more))
            return fail("not a list of PCRs", "--pcrs " + text, "expected is one as 0-7,10");
        for (unsigned pcr = first; pcr <= last; ++pcr) pcrs.insert(pcr);
        at = more ? read.ptr + 1 : end;
    }
    return std::vector<unsigned>(pcrs.begin(), pcrs.end());
}

attest::Request evidence_request(const settings::Config& config, std::vector<std::uint8_t> nonce,
                                 std::vector<unsigned> pcrs) {
    return {.nonce = std::move(nonce),
            .pcrs = std::move(pcrs),
            .pcr = config.tpm.pcr,
            .ak_handle = config.attest.ak_handle,
            .ek = config.attest.ek == "rsa" ? attest::EkAlgorithm::kRsa : attest::EkAlgorithm::kEcc,
            .list = config.list.directory / measure::ListFiles::kBinary,
            .patience = kPatience};
}

Result<void> ask_for_canary(const settings::Config& config, Bytes nonce) {
    const auto asked = ask(config.control.socket, "POST", "/v1/canary", kPatience,
                           list::json_text(nlohmann::json{{"nonce", to_hex(nonce)}}));
    if (!asked) return std::unexpected(asked.error());
    return {};
}

Result<void> look_at(const attest::Collected& collected, const attest::Request& request) {
    if (!collected.explained)
        fmt::print(stderr,
                   "keyscribe: warning: PCR {} has a value that the list does not explain\n",
                   request.pcr);
    if (collected.evidence.ima && !collected.ima_explained)
        fmt::print(
            stderr,
            "keyscribe: warning: PCR 10 has a value that the kernel's list does not explain\n");
    if (collected.without_firmware)
        fmt::print(stderr, "keyscribe: warning: the firmware's log is left out: {}\n",
                   printable(to_string(*collected.without_firmware)));
    if (!collected.whole)
        fmt::print(stderr,
                   "keyscribe: warning: the list does not say yet what the keyrings hold (no whole "
                   "baseline after the last start and policy): a service will not affirm this\n");
    if (request.canary && !collected.canary)
        return fail("the daemon did not write the canary's record in time",
                    request.list.parent_path().string(), "keyscribe status says what it waits for");
    return {};
}

}  // namespace keyscribe::cli
