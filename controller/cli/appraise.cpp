// SPDX-License-Identifier: Apache-2.0
// keyscribe appraise.
#include "controller/appraise/appraise.h"

#include <fmt/format.h>

#include <atomic>
#include <ctime>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>

#include "controller/appraise/tpm2_quote_files.h"
#include "controller/cli/commands.h"
#include "controller/evidence/mapped_file.h"

namespace keyscribe::cli {
namespace {

namespace fs = std::filesystem;
using appraise::Appraisal;
using appraise::Basis;
using appraise::Verdict;
using evidence::MappedFile;
using measure::Bytes;

constexpr int kUnusable = static_cast<int>(Verdict::kUnusable);

struct Options {
    std::vector<std::string> files;
    std::string nonce, references, blocked_keys, blocked_files, policy, state;
    std::vector<std::string> keys;
    std::string tpm2_message, tpm2_signature, tpm2_pcrs, list;  ///< in place of files
    unsigned jobs = 0;
    bool json = false;
};

std::string_view text_of(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

Result<std::vector<std::uint8_t>> parse_nonce(std::string_view hex) {
    constexpr std::size_t kMaxNonce = 64;  // what extraData holds
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        const char letter =
            static_cast<char>(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] + 32 : hex[i]);
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto digit = kDigits.find(letter);
        if (digit == kDigits.npos) return fail("not hexadecimal", "--nonce");
        if (i % 2 == 0)
            bytes.push_back(static_cast<std::uint8_t>(digit << 4));
        else
            bytes.back() |= static_cast<std::uint8_t>(digit);
    }
    if (hex.empty() || hex.size() % 2 != 0 || bytes.size() > kMaxNonce)
        return fail("a nonce has 1 to 64 bytes, two hexadecimal digits each", "--nonce");
    return bytes;
}

/// `parse(text, file)` of a file that was asked for.
template <class Parse, class To>
Result<void> read_into(const std::string& file, Parse parse, To& to) {
    if (file.empty()) return {};
    const auto mapped = MappedFile::open(file);
    if (!mapped) return std::unexpected(mapped.error());
    auto parsed = parse(text_of(*mapped), file);
    if (!parsed) return std::unexpected(parsed.error());
    to = std::move(*parsed);
    return {};
}

Result<Basis> load_basis(const Options& options) {
    Basis basis;
    auto references = appraise::ReferenceValues::load(options.references);
    if (!references) return std::unexpected(references.error());
    basis.references = std::move(*references);
    if (auto done = read_into(options.policy, appraise::parse_policy, basis.policy); !done)
        return std::unexpected(done.error());
    if (auto done =
            read_into(options.blocked_keys, appraise::BlockedKeys::parse, basis.blocked_keys);
        !done)
        return std::unexpected(done.error());
    if (auto done =
            read_into(options.blocked_files, appraise::BlockedFiles::parse, basis.blocked_files);
        !done)
        return std::unexpected(done.error());
    return basis;
}

Result<std::vector<appraise::AttestationKey>> load_keys(const Options& options) {
    std::vector<appraise::AttestationKey> keys;
    for (const std::string& file : options.keys) {
        const auto mapped = MappedFile::open(file);
        if (!mapped) return std::unexpected(mapped.error());
        auto key = appraise::AttestationKey::from_pem(text_of(*mapped));
        if (!key) return fail(key.error().what, file, key.error().hint);
        keys.push_back(std::move(*key));
    }
    return keys;
}

/// Of one host a file; of many a folder, with a file for each piece of evidence.
fs::path state_file(const Options& options, const std::string& evidence) {
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

void print(const Options& options, const Appraisal& appraisal, const std::string& file) {
    if (options.json)
        fmt::print("{}\n", to_json(appraisal, file));
    else
        print_text(appraisal, file);
}

/// Appraises one piece and returns the exit status for it.
int appraise_one(const Options& options, const std::string& file, appraise::Request request,
                 const Basis& basis, std::mutex& output) {
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
int appraise_all(const Options& options, const appraise::Request& request, const Basis& basis) {
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

/// A quote by tpm2_quote, and the list.
int appraise_tpm2_files(const Options& options, const appraise::Request& request,
                        const Basis& basis) {
    std::vector<MappedFile> files;
    for (const std::string* file :
         {&options.tpm2_message, &options.tpm2_signature, &options.tpm2_pcrs, &options.list}) {
        auto mapped = MappedFile::open(*file);
        if (!mapped) return report(mapped.error()), kUnusable;
        files.push_back(std::move(*mapped));
    }
    const auto evidence = appraise::evidence_of({.message = files[0].bytes(),
                                                 .signature = files[1].bytes(),
                                                 .pcrs = files[2].bytes(),
                                                 .list = files[3].bytes()},
                                                basis.policy.evidence.pcr);
    if (!evidence) return report(evidence.error()), kUnusable;
    const Appraisal appraisal = appraise::appraise(*evidence, request, basis);
    print(options, appraisal, options.tpm2_message);
    return static_cast<int>(appraisal.verdict);
}

int run_appraise(const Options& options) {
    // tss2-mu writes to stderr on its own; what is wrong is told by us, once.
    ::setenv("TSS2_LOG", "all+none", 0);
    const auto refuse = [](const Error& error) {
        (void)report(error);
        return kUnusable;
    };
    const auto nonce = parse_nonce(options.nonce);
    if (!nonce) return refuse(nonce.error());
    const auto keys = load_keys(options);
    if (!keys) return refuse(keys.error());
    const auto basis = load_basis(options);
    if (!basis) return refuse(basis.error());
    if (options.files.size() > 1 && !options.state.empty() && !fs::is_directory(options.state))
        return refuse({"one file cannot keep the state of several hosts", options.state,
                       "give a folder that exists"});
    const appraise::Request request{.nonce = *nonce, .keys = *keys, .now = std::time(nullptr)};
    return options.files.empty() ? appraise_tpm2_files(options, request, *basis)
                                 : appraise_all(options, request, *basis);
}

}  // namespace

void add_appraise(CLI::App& app, Context& context) {
    CLI::App* command =
        app.add_subcommand("appraise",
                           "Evidence of hosts against reference values; exit status 0 affirmed, 1 "
                           "contraindicated, 2 unusable");
    const auto options = std::make_shared<Options>();
    CLI::Option* files =
        command->add_option("evidence", options->files, "what `keyscribe evidence` wrote")
            ->check(CLI::ExistingFile);
    CLI::Option* message =
        command->add_option("--tpm2-quote", options->tpm2_message, "in its place: tpm2_quote -m")
            ->excludes(files);
    const auto with_quote = [&](const char* name, std::string& to, const char* help) {
        CLI::Option* option = command->add_option(name, to, help)->needs(message);
        message->needs(option);
    };
    with_quote("--tpm2-signature", options->tpm2_signature, "tpm2_quote -s");
    with_quote("--tpm2-pcrs", options->tpm2_pcrs, "tpm2_quote -o");
    with_quote("--list", options->list, "the host's binary_runtime_measurements");
    command->add_option("--nonce", options->nonce, "that the evidence was asked for with, in hex")
        ->required();
    command->add_option("--ak", options->keys, "the attestation key (or keys), in PEM")
        ->required()
        ->check(CLI::ExistingFile);
    command
        ->add_option("--reference-values", options->references,
                     "a folder of known good certificates")
        ->required()
        ->check(CLI::ExistingDirectory);
    command->add_option("--blocked-keys", options->blocked_keys,
                        "SHA-256 of keys, or certificates");
    command->add_option("--blocked-files", options->blocked_files,
                        "digests, as sha256sum writes them");
    command->add_option("--policy", options->policy, "appraisal.toml: what is accepted");
    command->add_option("--state", options->state,
                        "what is kept of the host (a folder: of several), read and written");
    command->add_option("--jobs", options->jobs, "threads; by default one for each CPU");
    command->add_flag("--json", options->json, "a JSON object a line");
    command->callback([&context, options] {
        if (options->files.empty() && options->tpm2_message.empty())
            throw CLI::RequiredError("evidence, or --tpm2-quote");
        context.exit_status = run_appraise(*options);
    });
}

}  // namespace keyscribe::cli
