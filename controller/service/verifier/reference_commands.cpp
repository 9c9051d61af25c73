// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier references.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/service/verifier/commands.h"
#include "controller/service/verifier/operator_queries.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

struct ReferenceOptions {
    std::string group = "default", kind = "reference", keyring, from, until, why, id;
    std::vector<std::string> files, without;
};

std::string reference_line(const json& file) {
    return fmt::format(
        "{}  {}  {}  {} to {}  {}{}  by {} on {}: {}", file["id"].get<std::string>(),
        file["group"].get<std::string>(), file["kind"].get<std::string>(),
        file["from"].get<std::string>(), file["until"].get<std::string>(),
        file["keyring"].get<std::string>().empty() ? "" : file["keyring"].get<std::string>() + "/",
        file["name"].get<std::string>(), file["who"].get<std::string>(),
        file["added"].get<std::string>(), file["why"].get<std::string>());
}

std::string trial_line(const json& one) {
    std::string text = fmt::format("{}  {}  {} -> {}", one["host"].get<std::string>(),
                                   one["name"].get<std::string>(), one["former"].get<std::string>(),
                                   one["latter"].get<std::string>());
    for (const json& reason : one["reasons"])
        text += fmt::format("\n  {}: {}", reason["code"].get<std::string>(),
                            reason["sentence"].get<std::string>());
    return text;
}

Result<std::vector<ReferenceFile>> load(const ReferenceOptions& options) {
    ReferenceFile common{.group = options.group,
                         .kind = options.kind,
                         .keyring = options.keyring,
                         .who = user_name(),
                         .why = options.why,
                         .added = now()};
    for (const auto& [text, to] :
         {std::pair{&options.from, &common.from}, std::pair{&options.until, &common.until}}) {
        if (text->empty()) continue;
        const auto time = parse_time(*text);
        if (!time) return std::unexpected(time.error());
        *to = *time;
    }
    if (common.until <= common.from) return fail("--until must be later than --from");
    std::vector<ReferenceFile> files;
    for (const std::string& path : options.files) {
        const auto content = MappedFile::open(path);
        if (!content) return std::unexpected(content.error());
        ReferenceFile file = common;
        file.id = random_id();
        file.name = std::filesystem::path(path).filename().string();
        file.content.assign(content->bytes().begin(), content->bytes().end());
        files.push_back(std::move(file));
    }
    return files;
}

void add_file_options(CLI::App& command, ReferenceOptions& options) {
    command.add_option("--group", options.group, "for the hosts of this group")
        ->capture_default_str();
    command.add_option("--kind", options.kind, "what the files are")
        ->check(CLI::IsMember({"reference", "policy", "blocked-keys", "blocked-files"}))
        ->capture_default_str();
    command.add_option("--keyring", options.keyring, "the only keyring that they may stand in");
    command.add_option("--from", options.from, "in force from this time on");
    command.add_option("--until", options.until, "in force until this time");
}

}  // namespace

void add_reference_commands(CLI::App& app, CommandContext& context) {
    const auto options = std::make_shared<ReferenceOptions>();
    CLI::App* references =
        app.add_subcommand("references", "What hosts are judged by")->require_subcommand(1);

    CLI::App* listing = references->add_subcommand("list", "Files, a line each");
    listing->add_option("--group", options->id, "of this group alone");
    listing->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        const auto files = service.references->files(options->id);
        if (!files) return std::unexpected(files.error());
        json all = json::array();
        for (const ReferenceFile& file : *files) all.push_back(to_json(file));
        print_all(context, all, reference_line);
        return 0;
    }));

    CLI::App* add = references->add_subcommand("add", "Put files in force");
    add_file_options(*add, *options);
    add->add_option("--why", options->why, "for the record");
    add->add_option("file", options->files, "certificates; or what --kind says")
        ->required()
        ->check(CLI::ExistingFile);
    add->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        const auto files = load(*options);
        if (!files) return std::unexpected(files.error());
        if (auto done = service.references->add(*files); !done)
            return std::unexpected(done.error());
        json all = json::array();
        for (const ReferenceFile& file : *files) all.push_back(to_json(file));
        print_all(context, all, reference_line);
        return 0;
    }));

    CLI::App* trying = references->add_subcommand(
        "try", "Which hosts would change their verdict, and by which key; nothing is written");
    add_file_options(*trying, *options);
    trying->add_option("--without", options->without, "as if the file of this id were gone");
    trying->add_option("file", options->files, "as if these were in force")
        ->check(CLI::ExistingFile);
    trying->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        const auto files = load(*options);
        if (!files) return std::unexpected(files.error());
        const std::int64_t at = files->empty() ? now() : std::max(now(), files->front().from);
        const auto all = try_references(service, *files, options->without, at);
        if (!all) return std::unexpected(all.error());
        print_all(context, *all, trial_line);
        return 0;
    }));

    CLI::App* remove = references->add_subcommand("remove", "Take a file out of force");
    remove->add_option("reference", options->id, "its id")->required();
    remove->callback(with_service(context, [options](Service& service) -> Result<int> {
        const auto removed = service.references->remove(options->id);
        if (!removed) return std::unexpected(removed.error());
        if (!*removed) return report_error({"there is no such reference", options->id, {}});
        return 0;
    }));
}

}  // namespace keyscribe::verifier
