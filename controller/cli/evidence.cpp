// SPDX-License-Identifier: Apache-2.0
// keyscribe evidence, evidence export.
#include "controller/evidence/evidence.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <set>

#include "controller/base/mapped_file.h"
#include "controller/cli/client.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/host/attest/collect.h"
#include "controller/host/attest/tpm2_tools.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/json_text.h"

namespace keyscribe::cli {
namespace {

/// A baseline of 1,000 keys takes a TPM 0.2 s; a daemon that starts has to load its programs first.
constexpr auto kPatience = std::chrono::seconds(5);

struct Wanted {
    std::string nonce, pcrs, format = "cbor";
    std::uint64_t since = 0, ima_since = 0;
    std::filesystem::path output, ima_former;
    bool no_firmware = false;
    bool canary = false;
};

/// "0-10", "0,2,7", "0-7,10".
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

int collect(const settings::Config& config, const Wanted& wanted) {
    const auto nonce = from_hex(wanted.nonce);
    if (!nonce || nonce->empty() || nonce->size() > 64)
        return report(
            {"not a nonce", "--nonce", "expected are 1 to 64 bytes in hexadecimal digits"});
    const auto pcrs = parse_pcrs(wanted.pcrs);
    if (!pcrs) return report(pcrs.error());
    if (wanted.canary)
        if (auto asked = ask(config.control.socket, "POST", "/v1/canary", kPatience,
                             list::json_text(nlohmann::json{{"nonce", wanted.nonce}}));
            !asked)
            return report(asked.error());
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return report(tpm.error());
    const attest::Request request{
        .nonce = *nonce,
        .since = wanted.since,
        .pcrs = *pcrs,
        .pcr = config.tpm.pcr,
        .ak_handle = config.attest.ak_handle,
        .ek = config.attest.ek == "rsa" ? attest::EkAlgorithm::kRsa : attest::EkAlgorithm::kEcc,
        .list = config.list.directory / measure::ListFiles::kBinary,
        .ima_since = wanted.ima_since,
        .ima_former = wanted.ima_former,
        .firmware = !wanted.no_firmware,
        .canary = wanted.canary,
        .patience = kPatience};
    const auto collected = attest::collect(*tpm, request);
    if (!collected) return report(collected.error());
    if (!collected->explained)
        fmt::print(stderr,
                   "keyscribe: warning: PCR {} has a value that the list does not explain\n",
                   config.tpm.pcr);
    if (collected->evidence.ima && !collected->ima_explained)
        fmt::print(
            stderr,
            "keyscribe: warning: PCR 10 has a value that the kernel's list does not explain\n");
    if (collected->without_firmware)
        fmt::print(stderr, "keyscribe: warning: the firmware's log is left out: {}\n",
                   printable(to_string(*collected->without_firmware)));
    if (!collected->whole)
        fmt::print(stderr,
                   "keyscribe: warning: the list does not say yet what the keyrings hold (no whole "
                   "baseline after the last start and policy): a service will not affirm this\n");
    if (wanted.canary && !collected->canary)
        return report({"the daemon did not write the canary's record in time",
                       config.list.directory.string(), "keyscribe status says what it waits for"});
    const evidence::Evidence& evidence = collected->evidence;
    const auto done = wanted.format == "json"
                          ? write_output(wanted.output, as_bytes(evidence::encode_json(evidence)))
                          : write_output(wanted.output, evidence::encode_cbor(evidence));
    return done ? 0 : report(done.error());
}

int export_tools(const std::filesystem::path& file, const std::filesystem::path& directory) {
    const auto mapped = MappedFile::open(file);
    if (!mapped) return report(mapped.error());
    const auto document = evidence::decode(mapped->bytes());
    if (!document) return report(document.error());
    const auto commands = attest::export_tpm2_tools(document->evidence, directory);
    if (!commands) return report(commands.error());
    fmt::print("in {}:\n", directory.string());
    for (const std::string& command : *commands) fmt::print("    {}\n", command);
    return 0;
}

}  // namespace

void add_evidence(CLI::App& app, Context& context) {
    CLI::App* evidence =
        app.add_subcommand("evidence", "What an attestation service appraises: quote and list");
    evidence->require_subcommand(0, 1);
    const auto wanted = std::make_shared<Wanted>();
    evidence->add_option("--nonce", wanted->nonce, "the service's, in hexadecimal digits");
    evidence->add_option("--since", wanted->since, "only the entries from this one on (0: all)");
    evidence->add_option("--ima-since", wanted->ima_since,
                         "only the entries of the kernel's list from this one on (0: all)");
    evidence->add_option(
        "--ima-former", wanted->ima_former,
        "a file with what stood before the kernel's list as the kernel has it now");
    evidence->add_option("--pcrs", wanted->pcrs,
                         "a second quote, over these PCRs, as 0-10; with 10 the kernel's IMA list");
    evidence->add_flag(
        "--no-firmware", wanted->no_firmware,
        "without the firmware's log, and without PCR 0 to 9 and 14, which go with it");
    evidence->add_flag("--canary", wanted->canary,
                       "with a record, which has the nonce, that capture worked just now: what "
                       "require_canary of appraisal.toml asks for; takes root");
    evidence->add_option("--format", wanted->format, "cbor, json")
        ->check(CLI::IsMember({"cbor", "json"}))
        ->capture_default_str();
    evidence->add_option("-o,--output", wanted->output, "the file; - for the standard output");

    CLI::App* export_command = evidence->add_subcommand("export", "In other tools' files");
    const auto directory = std::make_shared<std::filesystem::path>();
    const auto file = std::make_shared<std::filesystem::path>();
    export_command->add_option("--tpm2-tools", *directory, "folder for tpm2_checkquote's files")
        ->required();
    export_command->add_option("evidence", *file)->required();
    export_command->callback(
        [&context, directory, file] { context.exit_status = export_tools(*file, *directory); });

    const auto run = with_config(
        context, [wanted](const settings::Config& config) { return collect(config, *wanted); });
    evidence->callback([evidence, export_command, wanted, run] {
        if (export_command->parsed()) return;
        if (wanted->nonce.empty()) throw CLI::RequiredError("--nonce");
        if (wanted->output.empty()) throw CLI::RequiredError("--output");
        run();
    });
}

}  // namespace keyscribe::cli
