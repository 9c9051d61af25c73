// SPDX-License-Identifier: Apache-2.0
// keyscribe references from.
#include <fmt/format.h>

#include <memory>

#include "controller/base/mapped_file.h"
#include "controller/cli/commands.h"
#include "controller/cli/output.h"
#include "controller/list/json_text.h"
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

Result<void> run(const FromOptions& options) {
    references::Findings findings;
    for (const std::string& source : options.sources)
        if (auto read = references::read_source(source, findings); !read) return read;
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
    if (options.as_json)
        fmt::print("{}\n", list::json_text(references::to_json(findings, files)));
    else
        fmt::print("{}", references::to_text(findings, files));
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
    from->callback([&context, options] {
        const auto done = run(*options);
        if (done) return;
        (void)report(done.error());
        context.exit_status = kRefused;
    });
}

}  // namespace keyscribe::cli
