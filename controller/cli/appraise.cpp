// SPDX-License-Identifier: Apache-2.0
// keyscribe appraise.
#include "controller/service/appraise/appraise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <system_error>
#include <thread>

#include "controller/base/output_file.h"
#include "controller/base/unique_fd.h"
#include "controller/cli/appraise_options.h"
#include "controller/cli/commands.h"
#include "controller/cli/progress.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::cli {
namespace {

namespace fs = std::filesystem;
using appraise::Appraisal;

constexpr std::size_t kLongestPath = 4096;  // PATH_MAX

struct AppraiseCommandOptions : AppraiseOptions {
    unsigned jobs = 0;
    bool json = false;
};

/// What cannot be looked at is none: load_state() says why.
bool is_folder(const fs::path& path) {
    std::error_code code;
    return fs::is_directory(path, code);
}

/// Of one host a file; of many a folder, with a file for each piece of evidence.
fs::path state_file(const AppraiseCommandOptions& options, const std::string& evidence) {
    if (options.state.empty() || !is_folder(options.state)) return options.state;
    return fs::path(options.state) / (fs::path(evidence).filename().string() + ".state");
}

/// Written, and not yet in its place.
Result<OutputFile> write_state(const Appraisal::Next& next, const fs::path& file) {
    auto state = OutputFile::create(file, kOwnerReads);
    if (!state) return state;
    const std::string header = next.header();
    for (const Bytes part : {as_bytes(header), next.kept, next.added, next.state.ima})
        if (auto done = state->write(part); !done) return std::unexpected(done.error());
    return state;
}

/// A file's appraisal, or why there is none.
struct Outcome {
    std::string file;
    Result<Appraisal> appraisal = Appraisal();
    std::optional<OutputFile> state;
};

void print_text(const Appraisal& appraisal, const std::string& file, const std::string& at) {
    std::string text = fmt::format("{}: {}: {} entries, {} keys", printable(file, kLongestPath),
                                   name_of(appraisal.verdict), appraisal.entries, appraisal.keys);
    if (appraisal.ima_entries != 0)
        text += fmt::format("; {} entries of the kernel's, {} signatures verified",
                            appraisal.ima_entries, appraisal.ima_signatures);
    if (!appraisal.key.empty())
        text += fmt::format("; signed by {} (SHA-256 {})", printable(appraisal.key_file),
                            appraisal.key);
    if (!at.empty()) text += "; as of " + at;
    text += '\n';
    for (const appraise::Finding& finding : appraisal.findings) {
        const char* mark = finding.weight == appraise::Weight::kNote ? "note" : "FINDING";
        text += fmt::format("  {} {}", mark, finding.code);
        if (finding.entry) text += fmt::format(" [{} {}]", finding.list, *finding.entry);
        text += fmt::format(": {}\n", finding.sentence);
    }
    fmt::print("{}", text);
}

/// Appraises one piece. Its state is written, and not yet put into place.
Outcome appraise_one(const AppraiseCommandOptions& options, const std::string& file,
                     unsigned threads, const AppraiseInputs& inputs) {
    Outcome outcome{.file = file};
    const auto complain = [&outcome](const Error& error) {
        outcome.appraisal = std::unexpected(error);
        return std::move(outcome);
    };
    const auto expected = inputs.of(file);
    if (!expected) return complain(expected.error());
    appraise::Request request = expected->request();
    request.threads = threads;
    const fs::path state_path = state_file(options, file);
    const auto state = load_state(state_path);
    if (!state) return complain(state.error());
    if (*state) request.state = (*state)->bytes();
    std::optional<MappedFile> whole;
    std::optional<Tpm2Evidence> parts;
    Appraisal appraisal;
    if (options.files.empty()) {
        auto loaded = load_tpm2_evidence(options, inputs.basis.policy.evidence.pcr);
        if (!loaded) return complain(loaded.error());
        parts.emplace(std::move(*loaded));
        appraisal = appraise::appraise(parts->evidence, request, inputs.basis);
    } else {
        auto read = MappedFile::open(file);
        if (!read) return complain(read.error());
        whole.emplace(std::move(*read));
        request.evidence = whole->bytes();
        appraisal = appraise::appraise(request, inputs.basis);
    }
    if (!state_path.empty() && appraisal.next) {
        auto written = write_state(*appraisal.next, state_path);
        if (!written) return complain(written.error());
        outcome.state = std::move(*written);
    }
    // What is left of it has no views into the evidence.
    appraisal.next.reset();
    appraisal.document.reset();
    outcome.appraisal = std::move(appraisal);
    return outcome;
}

/// Many files: one thread for each CPU, a file at a time. One file: its list by all of them.
std::vector<Outcome> appraise_all(const AppraiseCommandOptions& options,
                                  const std::vector<std::string>& files,
                                  const AppraiseInputs& inputs) {
    const unsigned cpus =
        options.jobs != 0 ? options.jobs : std::max(1u, std::thread::hardware_concurrency());
    const unsigned workers = static_cast<unsigned>(std::min<std::size_t>(cpus, files.size()));
    std::vector<Outcome> outcomes(files.size());
    std::atomic<std::size_t> next = 0;
    Progress progress;
    const auto work = [&] {
        for (std::size_t i; (i = next.fetch_add(1)) < files.size();) {
            if (files.size() > 1) progress.tell(i + 1, files.size(), files[i]);
            outcomes[i] = appraise_one(options, files[i], std::max(1u, cpus / workers), inputs);
        }
    };
    std::vector<std::jthread> threads;
    // Where no more can be started, those that there are do it.
    try {
        for (unsigned i = 1; i < workers; ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {
    }
    work();
    threads.clear();
    return outcomes;
}

/// Each host has a key of its own: evidence of one key under two names is of one host, or of a key
/// that two hosts share. Whichever it is, one of them is not what its name says.
void find_repeated_keys(std::vector<Outcome>& outcomes) {
    std::map<std::string, std::vector<Outcome*>> by_key;
    for (Outcome& outcome : outcomes)
        if (outcome.appraisal && !outcome.appraisal->key.empty())
            by_key[outcome.appraisal->key].push_back(&outcome);
    for (const auto& [key, of_key] : by_key)
        for (Outcome* outcome : of_key) {
            if (of_key.size() < 2) continue;
            const Outcome& other = *of_key[of_key[0] == outcome ? 1 : 0];
            appraise::add(*outcome->appraisal, appraise::codes::kAkRepeated,
                          "evidence of the same attestation key is in this run once more: " +
                              printable(other.file));
        }
}

/// The new states take the place of the old, but for those of evidence that has a finding of the
/// whole run.
Result<void> put_into_place(std::vector<Outcome>& outcomes) {
    Result<void> done;
    for (Outcome& outcome : outcomes) {
        if (!outcome.state) continue;
        const bool repeated =
            std::ranges::find(outcome.appraisal->findings, appraise::codes::kAkRepeated.name,
                              &appraise::Finding::code) != outcome.appraisal->findings.end();
        if (repeated) continue;
        if (auto placed = outcome.state->put_into_place(); !placed) done = placed;
    }
    return done;
}

/// Two hosts' evidence of one name would share one state, and the later would be judged by the
/// other's.
Result<void> check_state_files(const AppraiseCommandOptions& options) {
    if (options.files.size() > 1 && !options.state.empty() && !is_folder(options.state))
        return fail("one file cannot keep the state of several hosts", options.state,
                    "give a folder that exists");
    std::map<fs::path, std::string> by_state;
    for (const std::string& file : options.files)
        if (const auto [other, fresh] = by_state.try_emplace(state_file(options, file), file);
            !options.state.empty() && !fresh)
            return fail("two pieces of evidence would share one state", file + ", " + other->second,
                        "a host's evidence is told from another's by the file's name");
    return {};
}

Result<UniqueFd> lock(const fs::path& path, int flags, int operation) {
    UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC, kOwnerReads));
    if (!file) return fail_errno("cannot open the lock of the state", path.string());
    while (::flock(file.get(), operation) != 0)
        if (errno != EINTR) return fail_errno("cannot lock the state", path.string());
    return file;
}

struct StateLock {
    UniqueFd folder, file;
};

/// Of two runs with one state the second waits: else both are judged by the former state, the same
/// evidence counts twice, and the last to end keeps its state, which may be of older evidence. A
/// folder is locked whole; one state by a file of its own, since each state is a new file, and its
/// folder for those that want all of it.
Result<StateLock> lock_states(const std::string& state) {
    StateLock locks;
    if (state.empty()) return locks;
    const bool whole = is_folder(state);
    const fs::path folder = whole ? fs::path(state) : fs::absolute(state).parent_path();
    auto held = lock(folder, O_RDONLY | O_DIRECTORY, whole ? LOCK_EX : LOCK_SH);
    if (!held) return std::unexpected(held.error());
    locks.folder = std::move(*held);
    if (whole) return locks;
    held = lock(state + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, LOCK_EX);
    if (!held) return std::unexpected(held.error());
    locks.file = std::move(*held);
    return locks;
}

/// Each state that is written takes two descriptors until all are put into place, and a shell's
/// limit is 1,024.
void allow_many_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int run_appraise(const CLI::App& command, const AppraiseCommandOptions& options) {
    // tss2-mu writes to stderr on its own; what is wrong is told by us, once.
    ::setenv("TSS2_LOG", "all+none", 0);
    // Where nobody reads the verdict the status says so, as of each output that cannot be written.
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
    allow_many_files();
    const auto refuse = [](const Error& error) {
        (void)report(error);
        return kUnusable;
    };
    if (auto good = refuse_empty_texts(command); !good) return refuse(good.error());
    if (auto good = check_state_files(options); !good) return refuse(good.error());
    // Before anything is read that may change while this run waits.
    const auto locks = lock_states(options.state);
    if (!locks) return refuse(locks.error());
    const auto inputs = load_inputs(options);
    if (!inputs) return refuse(inputs.error());
    const std::vector<std::string> files =
        options.files.empty() ? std::vector{options.tpm2_message} : options.files;
    std::vector<Outcome> outcomes = appraise_all(options, files, *inputs);
    find_repeated_keys(outcomes);
    int worst = 0;
    for (const Outcome& outcome : outcomes) {
        if (!outcome.appraisal) {
            worst = refuse(outcome.appraisal.error());
            continue;
        }
        if (options.json)
            fmt::print("{}\n", to_json(*outcome.appraisal, outcome.file));
        else
            print_text(*outcome.appraisal, outcome.file, options.at);
        worst = std::max(worst, static_cast<int>(outcome.appraisal->verdict));
    }
    // Evidence whose verdict nobody got has to be judged once more.
    if (std::fflush(stdout) != 0)
        return refuse(fail_errno("cannot write the standard output").error());
    if (auto kept = put_into_place(outcomes); !kept) worst = refuse(kept.error());
    return worst;
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
    command->callback([&context, command, options] {
        require_evidence(*command);
        context.exit_status = run_appraise(*command, *options);
    });
}

}  // namespace keyscribe::cli
