// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/appraise_options.h"

#include <algorithm>
#include <ctime>

#include "controller/service/appraise/tpm2_quote_files.h"

namespace keyscribe::cli {
namespace {

using appraise::Basis;

std::string_view text_of(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

Result<std::vector<std::uint8_t>> parse_nonce(std::string_view hex, const std::string& where) {
    constexpr std::size_t kMaxNonce = 64;  // what extraData holds
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        const char letter =
            static_cast<char>(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] + 32 : hex[i]);
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto digit = kDigits.find(letter);
        if (digit == kDigits.npos) return fail("not hexadecimal", where);
        if (i % 2 == 0)
            bytes.push_back(static_cast<std::uint8_t>(digit << 4));
        else
            bytes.back() |= static_cast<std::uint8_t>(digit);
    }
    if (hex.empty() || hex.size() % 2 != 0 || bytes.size() > kMaxNonce)
        return fail("a nonce has 1 to 64 bytes, two hexadecimal digits each", where);
    return bytes;
}

/// RFC 3339's form of UTC, in seconds since 1970; without a text: now.
Result<std::int64_t> time_of(const std::string& text) {
    if (text.empty()) return std::time(nullptr);
    constexpr const char* kForm = "%Y-%m-%dT%H:%M:%SZ";
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), kForm, &parts);
    const std::time_t time = ::timegm(&parts);
    // timegm() makes March 2 of February 30, and strptime() takes blanks and single digits.
    char again[64] = "";
    (void)std::strftime(again, sizeof again, kForm, &parts);
    if (end == nullptr || text != again)
        return fail("not a time in UTC", "--at", "write it as 2026-11-29T12:00:00Z");
    return time;
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

Result<Basis> load_basis(const AppraiseOptions& options) {
    Basis parts;
    auto references = appraise::ReferenceValues::load(options.references);
    if (!references) return std::unexpected(references.error());
    parts.references = std::move(*references);
    if (auto done = read_into(options.policy, appraise::parse_policy, parts.policy); !done)
        return std::unexpected(done.error());
    if (auto done =
            read_into(options.blocked_keys, appraise::BlockedKeys::parse, parts.blocked_keys);
        !done)
        return std::unexpected(done.error());
    if (auto done =
            read_into(options.blocked_files, appraise::BlockedFiles::parse, parts.blocked_files);
        !done)
        return std::unexpected(done.error());
    return complete(std::move(parts));
}

Result<appraise::AttestationKey> load_key(const std::string& file) {
    const auto read = MappedFile::open(file);
    if (!read) return std::unexpected(read.error());
    return appraise::AttestationKey::parse(text_of(*read), file);
}

/// Hexadecimal digits, with blanks or a newline around them.
Result<std::vector<std::uint8_t>> load_nonce(const std::string& file) {
    const auto read = MappedFile::open(file);
    if (!read) return std::unexpected(read.error());
    constexpr std::string_view kBlanks = " \t\r\n";
    std::string_view text = text_of(*read);
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
    return parse_nonce(text, file);
}

}  // namespace

appraise::Request Expected::request() const { return {.nonce = nonce, .keys = keys, .now = now}; }

Result<Expected> AppraiseInputs::of(const std::string& file) const {
    Expected of_file = expected;
    const std::string host = std::filesystem::path(file).stem().string();
    if (!key_directory.empty()) {
        auto key = load_key((key_directory / (host + ".pem")).string());
        if (!key) return std::unexpected(key.error());
        of_file.keys = {std::move(*key)};
    }
    if (!nonce_directory.empty()) {
        auto nonce = load_nonce((nonce_directory / (host + ".nonce")).string());
        if (!nonce) return std::unexpected(nonce.error());
        of_file.nonce = std::move(*nonce);
    }
    return of_file;
}

Result<AppraiseInputs> load_inputs(const AppraiseOptions& options) {
    AppraiseInputs inputs;
    const auto now = time_of(options.at);
    if (!now) return std::unexpected(now.error());
    inputs.expected.now = *now;
    if (options.nonce_directory.empty()) {
        auto nonce = parse_nonce(options.nonce, "--nonce");
        if (!nonce) return std::unexpected(nonce.error());
        inputs.expected.nonce = std::move(*nonce);
    }
    inputs.nonce_directory = options.nonce_directory;
    for (const std::string& file : options.keys) {
        std::error_code code;
        if (std::filesystem::is_directory(file, code)) {
            inputs.key_directory = file;
            continue;
        }
        auto key = load_key(file);
        if (!key) return std::unexpected(key.error());
        inputs.expected.keys.push_back(std::move(*key));
    }
    if (!inputs.key_directory.empty() && options.keys.size() > 1)
        return fail("a folder of keys beside other keys", "--ak",
                    "give one folder with a HOST.pem for each host, or the keys themselves");
    auto basis = load_basis(options);
    if (!basis) return std::unexpected(basis.error());
    inputs.basis = std::move(*basis);
    return inputs;
}

Result<std::optional<MappedFile>> load_state(const std::filesystem::path& file) {
    std::error_code code;
    // A link that leads nowhere, or a folder that may not be searched, is no state that is not
    // there.
    const auto status = std::filesystem::symlink_status(file, code);
    if (file.empty() || status.type() == std::filesystem::file_type::not_found) return std::nullopt;
    auto read = MappedFile::open(file);
    if (!read) return std::unexpected(read.error());
    // It would count as none, and what was kept before be forgotten in silence.
    if (read->bytes().empty())
        return fail("a kept state that is empty", file.string(),
                    "take it away to begin anew, with evidence that has the whole list");
    return std::optional(std::move(*read));
}

Result<Tpm2Evidence> load_tpm2_evidence(const AppraiseOptions& options, unsigned pcr) {
    Tpm2Evidence loaded;
    auto& files = loaded.files;
    for (const std::string* file :
         {&options.tpm2_message, &options.tpm2_signature, &options.tpm2_pcrs, &options.list}) {
        auto mapped = MappedFile::open(*file);
        if (!mapped) return std::unexpected(mapped.error());
        files.push_back(std::move(*mapped));
    }
    auto evidence = appraise::evidence_of({.message = files[0].bytes(),
                                           .signature = files[1].bytes(),
                                           .pcrs = files[2].bytes(),
                                           .list = files[3].bytes()},
                                          pcr);
    if (!evidence) return std::unexpected(evidence.error());
    loaded.evidence = std::move(*evidence);
    return loaded;
}

void add_appraise_options(CLI::App& command, AppraiseOptions& options, int files) {
    CLI::Option* evidence =
        command.add_option("evidence", options.files, "what `keyscribe evidence` wrote")
            ->expected(files);
    CLI::Option* message =
        command.add_option("--tpm2-quote", options.tpm2_message, "in its place: tpm2_quote -m")
            ->excludes(evidence);
    const auto with_quote = [&](const char* name, std::string& to, const char* help) {
        CLI::Option* option = command.add_option(name, to, help)->needs(message);
        message->needs(option);
    };
    with_quote("--tpm2-signature", options.tpm2_signature, "tpm2_quote -s");
    with_quote("--tpm2-pcrs", options.tpm2_pcrs, "tpm2_quote -o");
    with_quote("--list", options.list, "the host's binary_runtime_measurements");
    CLI::Option* nonce = command.add_option("--nonce", options.nonce,
                                            "that the evidence was asked for with, in hex");
    command
        .add_option("--nonce-dir", options.nonce_directory,
                    "in its place, a folder: HOST.nonce has that of HOST.evidence")
        ->excludes(nonce)
        ->excludes(message);
    command
        .add_option("--ak", options.keys,
                    "the attestation key, or its certificate (may be repeated); or a folder: "
                    "HOST.pem has the key of HOST.evidence")
        ->required();
    command
        .add_option("--reference-values", options.references, "a folder of known good certificates")
        ->required();
    command.add_option("--blocked-keys", options.blocked_keys,
                       "SHA-256 of keys, or the certificates themselves");
    command.add_option("--blocked-files", options.blocked_files,
                       "digests, as sha256sum writes them");
    command.add_option("--policy", options.policy, "appraisal.toml: what is accepted");
    command.add_option(
        "--at", options.at,
        "as of this time in place of now, as 2026-11-29T12:00:00Z: what had expired then");
}

void require_evidence(const CLI::App& command) {
    if (command.count("evidence") == 0 && command.count("--tpm2-quote") == 0)
        throw CLI::RequiredError("evidence, or --tpm2-quote");
    if (command.count("--nonce") == 0 && command.count("--nonce-dir") == 0)
        throw CLI::RequiredError("--nonce, or --nonce-dir");
}

Result<void> refuse_empty_texts(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options())
        for (const std::string& text : option->results())
            if (text.empty())
                return fail("an option without a text", option->get_name(),
                            "leave it out where there is none");
    return {};
}

}  // namespace keyscribe::cli
