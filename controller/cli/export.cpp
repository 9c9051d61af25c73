// SPDX-License-Identifier: Apache-2.0
// keyscribe export keylime-policy.
#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/service/appraise/keylime_policy.h"

namespace keyscribe::cli {
namespace {

struct ExportOptions {
    std::filesystem::path references, policy, output = "-";
    appraise::Names keyrings;
};

Result<void> export_keylime(const ExportOptions& options) {
    const auto references = appraise::ReferenceValues::load(options.references);
    if (!references) return std::unexpected(references.error());
    appraise::AppraisalPolicy policy;
    if (!options.policy.empty()) {
        const auto file = MappedFile::open(options.policy);
        if (!file) return std::unexpected(file.error());
        auto parsed = appraise::parse_policy(
            {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()},
            options.policy.string());
        if (!parsed) return std::unexpected(parsed.error());
        policy = std::move(*parsed);
        if (auto known = check_names(policy, *references); !known)
            return std::unexpected(known.error());
    }
    if (auto good = refuse_to_overwrite(options.output, {options.policy.string()}); !good)
        return good;
    const auto text = appraise::keylime_policy(*references, policy, options.keyrings);
    if (!text) return std::unexpected(text.error());
    return write_output(options.output, as_bytes(*text));
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
    CLI::App* command = app.add_subcommand("export", "What other verifiers appraise a host by");
    command->require_subcommand(1);
    CLI::App* keylime = command->add_subcommand(
        "keylime-policy", "Keylime's runtime policy, the part for keyrings (see KEYLIME.md)");
    const auto options = std::make_shared<ExportOptions>();
    keylime
        ->add_option("--reference-values", options->references,
                     "a folder of known good certificates")
        ->required()
        ->check(CLI::ExistingDirectory);
    keylime->add_option("--keyring", options->keyrings,
                        "one that holds them (may be repeated); by default those that the policy "
                        "watches by name, and the folder's sub-folders");
    keylime->add_option("--policy", options->policy, "appraisal.toml")->check(CLI::ExistingFile);
    keylime->add_option("-o,--output", options->output, "the file; - for the standard output")
        ->capture_default_str();
    keylime->callback([&context, options] {
        const auto done = export_keylime(*options);
        context.exit_status = done ? 0 : report(done.error());
    });
}

}  // namespace keyscribe::cli
