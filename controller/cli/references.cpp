// SPDX-License-Identifier: Apache-2.0
// keyscribe references from, export, import.
#include <fmt/format.h>

#include <ctime>
#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/cli/progress.h"
#include "controller/list/json_text.h"
#include "controller/service/references/corim.h"
#include "controller/service/references/golden_host.h"
#include "controller/service/references/output.h"
#include "controller/service/references/source.h"

namespace keyscribe::cli {
namespace {

/// Bad input: as `keyscribe appraise` has it.
constexpr int kRefused = 2;

struct FromOptions {
    std::vector<std::string> sources;
    std::filesystem::path folder, kernel_images, blocked_keys;
    bool as_json = false;
};

/// A file of another content is not replaced: it may be somebody's own.
Result<void> write_new(const std::filesystem::path& path, const std::string& text) {
    std::error_code code;
    if (path != "-" && std::filesystem::exists(path, code)) {
        const auto there = MappedFile::open(path);
        if (!there) return std::unexpected(there.error());
        if (as_text(there->bytes()) == text) return {};
        return fail("the file is there, with another content", path.string(),
                    "remove it, or take another name");
    }
    return write_output(path, as_bytes(text));
}

void tell(const references::Findings& findings, const std::vector<references::ReferenceFile>& files,
          bool as_json) {
    if (as_json)
        fmt::print("{}\n", list::json_text(references::to_json(findings, files)));
    else
        fmt::print("{}", references::to_text(findings, files));
}

Result<void> run_from(const FromOptions& options) {
    references::Findings findings;
    {
        Progress progress;
        const auto tell_file = [&](std::size_t file, std::size_t files, const std::string& name) {
            progress.tell(file, files, name);
        };
        for (const std::string& source : options.sources)
            if (auto read = references::read_source(source, findings, tell_file); !read)
                return read;
    }
    references::resolve_standing_keys(findings);
    std::vector<references::ReferenceFile> files;
    if (!options.folder.empty()) {
        auto written = references::write_references(findings, options.folder);
        if (!written) return std::unexpected(written.error());
        files = std::move(*written);
    }
    if (!options.kernel_images.empty())
        if (auto done = write_new(options.kernel_images, references::kernel_images_json(findings));
            !done)
            return done;
    if (!options.blocked_keys.empty()) {
        const std::string blocked = references::blocked_keys(findings);
        if (blocked.empty())
            return fail("no source revokes a key", "--blocked-keys",
                        "leave the option out, or name dbx among the sources");
        if (auto done = write_new(options.blocked_keys, blocked); !done) return done;
    }
    tell(findings, files, options.as_json);
    return {};
}

struct CorimExport {
    std::string folder, format;
    std::filesystem::path output = "-";
};

Result<void> run_export(const CorimExport& options) {
    const auto values = appraise::ReferenceValues::load(options.folder);
    if (!values) return std::unexpected(values.error());
    return write_output(options.output, references::corim_of(*values));
}

struct CorimImport {
    std::vector<std::string> files;
    std::string certificates;
    std::filesystem::path folder;
    bool as_json = false;
};

/// The certificates of a folder of reference values, for thumbprints.
Result<std::vector<references::FoundCertificate>> known_certificates(const std::string& folder) {
    std::vector<references::FoundCertificate> known;
    if (folder.empty()) return known;
    const auto values = appraise::ReferenceValues::load(folder);
    if (!values) return std::unexpected(values.error());
    for (const appraise::Reference& one : values->all())
        known.push_back({{one.view.der.begin(), one.view.der.end()}, {}, {}, one.file});
    return known;
}

Result<void> run_import(const CorimImport& options) {
    const auto known = known_certificates(options.certificates);
    if (!known) return std::unexpected(known.error());
    references::Findings findings;
    for (const std::string& path : options.files) {
        const auto file = MappedFile::open(path);
        if (!file) return std::unexpected(file.error());
        const auto corim = references::read_corim(file->bytes(), path, std::time(nullptr));
        if (!corim) return std::unexpected(corim.error());
        if (auto taken = references::take_corim(*corim, *known, path, findings); !taken)
            return taken;
    }
    const auto files = references::write_references(findings, options.folder);
    if (!files) return std::unexpected(files.error());
    tell(findings, *files, options.as_json);
    return {};
}

}  // namespace

void add_references(CLI::App& app, Context& context) {
    CLI::App* command =
        app.add_subcommand("references", "Make reference values: the certificates that are good");
    command->require_subcommand(1);
    CLI::App* from = command->add_subcommand(
        "from", "Take them from kernels, packages, firmware, or a host that is trusted");
    const auto options = std::make_shared<FromOptions>();
    from->add_option("source", options->sources,
                     "a kernel, package, UKI, folder of these, efivarfs "
                     "(/sys/firmware/efi/efivars), db=FILE, "
                     "dbx=FILE, mok=FILE, mokx=FILE, signed file, or evidence")
        ->required();
    from->add_option("-o,--output", options->folder,
                     "the folder for `appraise --reference-values`; without it nothing is written");
    from->add_option("--kernel-images", options->kernel_images,
                     "a file that says which kernel has which certificates, in JSON");
    from->add_option("--blocked-keys", options->blocked_keys,
                     "a file of the keys that are revoked, for `appraise --blocked-keys`");
    from->add_flag("--json", options->as_json, "what was found where, in JSON");
    const auto with_status = [&context](const Result<void>& done) {
        if (done) return;
        (void)report(done.error());
        context.exit_status = kRefused;
    };
    from->callback([with_status, options] { with_status(run_from(*options)); });

    CLI::App* export_command =
        command->add_subcommand("export", "Write a folder of them as a CoRIM (see CORIM.md)");
    const auto exported = std::make_shared<CorimExport>();
    export_command->add_option("folder", exported->folder, "of reference values")->required();
    export_command->add_option("--format", exported->format, "corim")
        ->required()
        ->check(CLI::IsMember({"corim"}));
    export_command->add_option("-o,--output", exported->output, "- for the standard output")
        ->capture_default_str();
    export_command->callback([with_status, exported] { with_status(run_export(*exported)); });

    CLI::App* import_command =
        command->add_subcommand("import", "Take them from CoRIMs, which are not signed any more");
    const auto imported = std::make_shared<CorimImport>();
    import_command->add_option("files", imported->files, "CoRIMs (tag 501)")->required();
    import_command
        ->add_option("-o,--output", imported->folder,
                     "the folder for `appraise --reference-values`")
        ->required();
    import_command->add_option("--certificates", imported->certificates,
                               "a folder of those that thumbprints in the CoRIMs stand for");
    import_command->add_flag("--json", imported->as_json, "what was found where, in JSON");
    import_command->callback([with_status, imported] { with_status(run_import(*imported)); });
}

}  // namespace keyscribe::cli
