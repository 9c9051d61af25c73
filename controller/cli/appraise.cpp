// SPDX-License-Identifier: Apache-2.0
// keyscribe appraise.
#include "controller/service/appraise/appraise.h"

#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>

#include "controller/cli/appraise_options.h"
#include "controller/cli/commands.h"

namespace keyscribe::cli {
namespace {

namespace fs = std::filesystem;
using appraise::Appraisal;
using appraise::Basis;
using appraise::Verdict;

struct AppraiseCommandOptions : AppraiseOptions {
    unsigned jobs = 0;
    bool json = false;
};

/// Of one host a file; of many a folder, with a file for each piece of evidence.
fs::path state_file(const AppraiseCommandOptions& options, const std::string& evidence) {
    if (options.state.empty() || !fs::is_directory(options.state)) return options.state;
    return fs::path(options.state) / (fs::path(evidence).filename().string() + ".state");
}

Result<void> keep(const Appraisal::Next& next, const fs::path& file) {
    const fs::path fresh = file.string() + ".new";
    std::ofstream stream(fresh, std::ios::binary | std::ios::trunc);
    const auto write = [&stream](const auto& bytes) {
        stream.write(reinterpret_cast<const char*>(bytes.data()),
                     static_cast<std::streamsize>(bytes.size()));
    };
    write(next.header());
    write(next.kept);
    write(next.added);
    stream.close();
    if (!stream) return fail_errno("cannot keep the state", fresh.string());
    std::error_code code;
    fs::rename(fresh, file, code);
    if (code) return fail("cannot keep the state: " + code.message(), file.string());
    return {};
}

void print_text(const Appraisal& appraisal, const std::string& file) {
    std::string text = fmt::format("{}: {}: {} entries, {} keys", file, name_of(appraisal.verdict),
                                   appraisal.entries, appraisal.keys);
    if (appraisal.ima_entries != 0)
        text += fmt::format("; {} entries of the kernel's, {} signatures verified",
                            appraisal.ima_entries, appraisal.ima_signatures);
    text += '\n';
    for (const appraise::Finding& finding : appraisal.findings) {
        const char* mark = finding.weight == appraise::Weight::kNote ? "note" : "FINDING";
        text += fmt::format("  {} {}", mark, finding.code);
        if (finding.entry) text += fmt::format(" [{} {}]", finding.list, *finding.entry);
        text += fmt::format(": {}\n", finding.sentence);
    }
    fmt::print("{}", text);
}

void print(const AppraiseCommandOptions& options, const Appraisal& appraisal,
           const std::string& file) {
    if (options.json)
        fmt::print("{}\n", to_json(appraisal, file));
    else
        print_text(appraisal, file);
}

/// Appraises one piece and returns the exit status for it.
int appraise_one(const AppraiseCommandOptions& options, const std::string& file,
                 appraise::Request request, const Basis& basis, std::mutex& output) {
    const auto complain = [&](const Error& error) {
        const std::lock_guard lock(output);
        (void)report(error);
        return kUnusable;
    };
    const auto mapped = MappedFile::open(file);
    if (!mapped) return complain(mapped.error());
    request.evidence = mapped->bytes();
    const fs::path state_path = state_file(options, file);
    std::optional<MappedFile> state;
    if (!state_path.empty() && fs::exists(state_path)) {
        auto kept = MappedFile::open(state_path);
        if (!kept) return complain(kept.error());
        state.emplace(std::move(*kept));
        request.state = state->bytes();
    }
    const Appraisal appraisal = appraise::appraise(request, basis);
    if (!state_path.empty() && appraisal.next)
        if (auto kept = keep(*appraisal.next, state_path); !kept) return complain(kept.error());
    const std::lock_guard lock(output);
    print(options, appraisal, file);
    return static_cast<int>(appraisal.verdict);
}

/// Many files: one thread for each CPU, a file at a time. One file: its list by all of them.
int appraise_all(const AppraiseCommandOptions& options, const appraise::Request& request,
                 const Basis& basis) {
    const unsigned cpus =
        options.jobs != 0 ? options.jobs : std::max(1u, std::thread::hardware_concurrency());
    const unsigned workers =
        static_cast<unsigned>(std::min<std::size_t>(cpus, options.files.size()));
    std::mutex output;
    std::atomic<std::size_t> next = 0;
    std::atomic<int> worst = 0;
    const auto work = [&] {
        for (std::size_t i; (i = next.fetch_add(1)) < options.files.size();) {
            appraise::Request one = request;
            one.threads = std::max(1u, cpus / workers);
            const int status = appraise_one(options, options.files[i], one, basis, output);
            int seen = worst.load();
            while (seen < status && !worst.compare_exchange_weak(seen, status)) {
            }
        }
    };
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 1; i < workers; ++i) threads.emplace_back(work);
        work();
    }
    return worst;
}

int appraise_tpm2_files(const AppraiseCommandOptions& options, const appraise::Request& request,
                        const Basis& basis) {
    const auto loaded = load_tpm2_evidence(options, basis.policy.evidence.pcr);
    if (!loaded) return report(loaded.error()), kUnusable;
    const Appraisal appraisal = appraise::appraise(loaded->evidence, request, basis);
    print(options, appraisal, options.tpm2_message);
    return static_cast<int>(appraisal.verdict);
}

int run_appraise(const AppraiseCommandOptions& options) {
    // tss2-mu writes to stderr on its own; what is wrong is told by us, once.
    ::setenv("TSS2_LOG", "all+none", 0);
    const auto refuse = [](const Error& error) {
        (void)report(error);
        return kUnusable;
    };
    const auto inputs = load_inputs(options);
    if (!inputs) return refuse(inputs.error());
    if (options.files.size() > 1 && !options.state.empty() && !fs::is_directory(options.state))
        return refuse({"one file cannot keep the state of several hosts", options.state,
                       "give a folder that exists"});
    const appraise::Request request = inputs->request();
    return options.files.empty() ? appraise_tpm2_files(options, request, inputs->basis)
                                 : appraise_all(options, request, inputs->basis);
}

}  // namespace

void add_appraise(CLI::App& app, Context& context) {
    CLI::App* command =
        app.add_subcommand("appraise",
                           "Evidence of hosts against reference values; exit status 0 affirmed, 1 "
                           "contraindicated, 2 unusable");
    const auto options = std::make_shared<AppraiseCommandOptions>();
    add_appraise_options(*command, *options, -1);
    command->add_option("--state", options->state,
                        "what is kept of the host (a folder: of several), read and written");
    command->add_option("--jobs", options->jobs, "threads; by default one for each CPU");
    command->add_flag("--json", options->json, "a JSON object a line");
    command->callback([&context, options] {
        require_evidence(*options);
        context.exit_status = run_appraise(*options);
    });
}

}  // namespace keyscribe::cli
