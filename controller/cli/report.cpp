// SPDX-License-Identifier: Apache-2.0
// keyscribe report.
#include <memory>

#include "controller/cli/appraise_options.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/report/page.h"

namespace keyscribe::cli {
namespace {

using appraise::Appraisal;

struct ReportOptions : AppraiseOptions {
    std::string output;
};

int refuse(const Error& error) {
    (void)report(error);
    return kUnusable;
}

int write_report(const ReportOptions& options, const AppraiseInputs& inputs,
                 const appraise::Request& request, const Appraisal& appraisal,
                 const std::string& source, const evidence::Evidence* evidence) {
    const std::string page = report::page({.appraisal = appraisal,
                                           .request = request,
                                           .basis = inputs.basis,
                                           .source = source,
                                           .version = KEYSCRIBE_VERSION,
                                           .evidence = evidence});
    if (const auto written = write_output(options.output, as_bytes(page)); !written)
        return refuse(written.error());
    return static_cast<int>(appraisal.verdict);
}

/// What appraise() says of bytes that are no evidence.
Appraisal malformed(const Error& error) {
    appraise::Findings findings;
    findings.add(appraise::codes::kEvidenceMalformed, to_string(error));
    Appraisal appraisal;
    appraisal.findings = findings.take();
    return appraisal;
}

int run_report(const CLI::App& command, const ReportOptions& options) {
    // tss2-mu writes to stderr on its own; what is wrong is told by us, once.
    ::setenv("TSS2_LOG", "all+none", 0);
    if (auto good = refuse_empty_texts(command); !good) return refuse(good.error());
    std::vector<std::string> read{
        options.tpm2_message, options.tpm2_signature, options.tpm2_pcrs, options.list,
        options.blocked_keys, options.blocked_files,  options.policy,    options.state};
    for (const auto* more : {&options.files, &options.keys})
        read.insert(read.end(), more->begin(), more->end());
    if (auto good = refuse_to_overwrite(options.output, read); !good) return refuse(good.error());
    const auto inputs = load_inputs(options);
    if (!inputs) return refuse(inputs.error());
    const std::string& file = options.files.empty() ? options.tpm2_message : options.files.front();
    const auto expected = inputs->of(file);
    if (!expected) return refuse(expected.error());
    appraise::Request request = expected->request();
    const auto state = load_state(options.state);
    if (!state) return refuse(state.error());
    if (!options.state.empty() && !*state)
        return refuse({"cannot open the file: there is none", options.state, {}});
    if (*state) request.state = (*state)->bytes();
    if (options.files.empty()) {
        const auto loaded = load_tpm2_evidence(options, inputs->basis.policy.evidence.pcr);
        if (!loaded)
            return write_report(options, *inputs, request, malformed(loaded.error()),
                                options.tpm2_message, nullptr);
        const Appraisal appraisal = appraise::appraise(loaded->evidence, request, inputs->basis);
        return write_report(options, *inputs, request, appraisal, options.tpm2_message,
                            &loaded->evidence);
    }
    const auto mapped = MappedFile::open(file);
    if (!mapped) return refuse(mapped.error());
    request.evidence = mapped->bytes();
    const Appraisal appraisal = appraise::appraise(request, inputs->basis);
    return write_report(options, *inputs, request, appraisal, file,
                        appraisal.document ? &appraisal.document->evidence : nullptr);
}

}  // namespace

void add_report(CLI::App& app, Context& context) {
    CLI::App* command = app.add_subcommand(
        "report", "What `keyscribe appraise` finds, as one HTML page; the same exit status");
    const auto options = std::make_shared<ReportOptions>();
    add_appraise_options(*command, *options, 1);
    command->add_option("--state", options->state,
                        "what was kept of the host before this evidence; not changed");
    command->add_option("-o,--output", options->output, "the page; - for the standard output")
        ->required();
    command->callback([&context, command, options] {
        require_evidence(*command);
        context.exit_status = run_report(*command, *options);
    });
}

}  // namespace keyscribe::cli
