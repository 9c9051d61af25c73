// SPDX-License-Identifier: Apache-2.0
// keyscribe evidence, evidence export.
#include "controller/evidence/evidence.h"

#include <fmt/format.h>

#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/cli/commands.h"
#include "controller/cli/evidence_request.h"
#include "controller/cli/output.h"
#include "controller/host/attest/tpm2_tools.h"

namespace keyscribe::cli {
namespace {

struct Wanted {
    std::string nonce, pcrs, format = "cbor";
    std::uint64_t since = 0, ima_since = 0;
    std::filesystem::path output, ima_former;
    bool no_firmware = false;
    bool canary = false;
};

int collect(const settings::Config& config, const Wanted& wanted) {
    const auto nonce = from_hex(wanted.nonce);
    if (!nonce || nonce->empty() || nonce->size() > 64)
        return report(
            {"not a nonce", "--nonce", "expected are 1 to 64 bytes in hexadecimal digits"});
    const auto pcrs = parse_pcrs(wanted.pcrs);
    if (!pcrs) return report(pcrs.error());
    if (wanted.canary)
        if (auto asked = ask_for_canary(config, *nonce); !asked) return report(asked.error());
    auto tpm = tpm::Tpm::open(config.tpm.tcti);
    if (!tpm) return report(tpm.error());
    attest::Request request = evidence_request(config, *nonce, *pcrs);
    request.since = wanted.since;
    request.ima_since = wanted.ima_since;
    request.ima_former = wanted.ima_former;
    request.firmware = !wanted.no_firmware;
    request.canary = wanted.canary;
    const auto collected = attest::collect(*tpm, request);
    if (!collected) return report(collected.error());
    if (auto good = look_at(*collected, request); !good) return report(good.error());
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
