// SPDX-License-Identifier: Apache-2.0
// keyscribe policy check, show, explain, suggest.
#include <fmt/format.h>
#include <sys/utsname.h>

#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/cli/suggested_policy.h"
#include "controller/host/settings/policy_loader.h"
#include "policy/explain.h"
#include "policy/filter_compiler.h"
#include "policy/format.h"

namespace keyscribe::cli {
namespace {

int check(const settings::Config& config, const std::vector<std::filesystem::path>& files) {
    auto loaded = settings::load_policy_files(files);
    if (!loaded) return report(loaded.error());
    if (auto done = settings::check_policy_pcrs(*loaded, config.tpm.force_resettable_pcr); !done)
        return report(done.error());
    if (const auto image = policy::compile(loaded->policy, 1); !image)
        return report({image.error(), "", ""});
    for (const auto& warning : loaded->policy.warnings)
        fmt::print(stderr, "{}", policy::to_string(warning, "warning"));
    for (const auto& source : loaded->policy.sources)
        fmt::print("{}: {} rules, {} skipped\n", printable(source.name), source.rules,
                   source.skipped);
    return 0;
}

/// The policy of the directory, or a message that there is none.
Result<settings::LoadedPolicy> of_directory(const settings::Config& config) {
    auto loaded = settings::load_policy(config.policy.directory);
    if (!loaded) return std::unexpected(loaded.error());
    if (!*loaded)
        return fail("there is no policy file", config.policy.directory.string(),
                    "nothing is measured until there is one");
    return std::move(**loaded);
}

int show(const settings::Config& config) {
    const auto loaded = of_directory(config);
    if (!loaded) return report(loaded.error());
    fmt::print("# digest {}\n{}", to_hex(records::policy_digest(loaded->files)),
               printable_lines(policy::format(loaded->policy)));
    return 0;
}

struct Question {
    std::string keyring, type = "asymmetric", operation = "create", description;
    std::uint32_t keyring_uid = 0, uid = 0, gid = 0;
    std::optional<std::uint32_t> euid, egid;
    std::vector<std::filesystem::path> files;
};

int explain(const settings::Config& config, const Question& question) {
    const auto loaded =
        question.files.empty() ? of_directory(config) : settings::load_policy_files(question.files);
    if (!loaded) return report(loaded.error());
    const auto operation = policy::operation_named(question.operation);
    if (!operation)
        return report(
            {"unknown operation '" + question.operation + "'", "--op", "create or update"});
    const auto explanation =
        policy::explain(loaded->policy, {.operation = *operation,
                                         .keyring = question.keyring,
                                         .keyring_uid = question.keyring_uid,
                                         .key_type = question.type,
                                         .description = question.description,
                                         .uid = question.uid,
                                         .euid = question.euid.value_or(question.uid),
                                         .gid = question.gid,
                                         .egid = question.egid.value_or(question.gid)});
    for (const std::string& line : explanation.lines) fmt::print("{}\n", line);
    return 0;
}

int suggest(const std::filesystem::path& output) {
    const auto keys = MappedFile::open("/proc/keys");
    if (!keys) return report(keys.error());
    utsname names{};
    ::uname(&names);
    const std::string text = suggested_policy(as_text(keys->bytes()), names.release);
    const auto done = write_output(output, as_bytes(text));
    return done ? 0 : report(done.error());
}

}  // namespace

void add_policy(CLI::App& app, Context& context) {
    CLI::App* policy = app.add_subcommand("policy", "Check, show, explain and suggest policies");
    policy->require_subcommand(1);

    CLI::App* check_command = policy->add_subcommand("check", "Whether files would be accepted");
    const auto files = std::make_shared<std::vector<std::filesystem::path>>();
    check_command->add_option("files", *files)->required();
    check_command->callback(with_config(
        context, [files](const settings::Config& config) { return check(config, *files); }));

    policy->add_subcommand("show", "The policy of the policy directory")
        ->callback(with_config(context, show));

    CLI::App* explain_command =
        policy->add_subcommand("explain", "Which rule decides about an event, and why");
    const auto question = std::make_shared<Question>();
    explain_command->add_option("--keyring", question->keyring, "the keyring's name")->required();
    explain_command->add_option("--keyring-uid", question->keyring_uid, "who owns the keyring")
        ->capture_default_str();
    explain_command->add_option("--type", question->type, "the key's type")->capture_default_str();
    explain_command->add_option("--op", question->operation, "create or update")
        ->capture_default_str();
    explain_command->add_option("--desc", question->description, "the key's description");
    explain_command->add_option("--uid", question->uid, "who does it")->capture_default_str();
    explain_command->add_option("--gid", question->gid)->capture_default_str();
    explain_command->add_option("--euid", question->euid, "default: as --uid");
    explain_command->add_option("--egid", question->egid, "default: as --gid");
    explain_command->add_option("files", question->files, "default: the policy directory");
    explain_command->callback(with_config(context, [question](const settings::Config& config) {
        return explain(config, *question);
    }));

    CLI::App* suggest_command =
        policy->add_subcommand("suggest", "Write a policy for this host's keyrings, with reasons");
    const auto output = std::make_shared<std::filesystem::path>("-");
    suggest_command->add_option("-o,--output", *output, "the file; - for the standard output")
        ->capture_default_str();
    suggest_command->callback([&context, output] { context.exit_status = suggest(*output); });
}

}  // namespace keyscribe::cli
