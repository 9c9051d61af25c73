// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/appraise_options.h"

#include <ctime>

#include "controller/service/appraise/tpm2_quote_files.h"

namespace keyscribe::cli {
namespace {

using appraise::Basis;

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

Result<Basis> load_basis(const AppraiseOptions& options) {
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

Result<std::vector<appraise::AttestationKey>> load_keys(const AppraiseOptions& options) {
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

}  // namespace

appraise::Request AppraiseInputs::request() const {
    return {.nonce = nonce, .keys = keys, .now = std::time(nullptr)};
}

Result<AppraiseInputs> load_inputs(const AppraiseOptions& options) {
    auto nonce = parse_nonce(options.nonce);
    if (!nonce) return std::unexpected(nonce.error());
    auto keys = load_keys(options);
    if (!keys) return std::unexpected(keys.error());
    auto basis = load_basis(options);
    if (!basis) return std::unexpected(basis.error());
    return AppraiseInputs{std::move(*nonce), std::move(*keys), std::move(*basis)};
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
            ->check(CLI::ExistingFile)
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
    command.add_option("--nonce", options.nonce, "that the evidence was asked for with, in hex")
        ->required();
    command.add_option("--ak", options.keys, "the attestation key (or keys), in PEM")
        ->required()
        ->check(CLI::ExistingFile);
    command
        .add_option("--reference-values", options.references, "a folder of known good certificates")
        ->required()
        ->check(CLI::ExistingDirectory);
    command.add_option("--blocked-keys", options.blocked_keys, "SHA-256 of keys, or certificates");
    command.add_option("--blocked-files", options.blocked_files,
                       "digests, as sha256sum writes them");
    command.add_option("--policy", options.policy, "appraisal.toml: what is accepted");
}

void require_evidence(const AppraiseOptions& options) {
    if (options.files.empty() && options.tpm2_message.empty())
        throw CLI::RequiredError("evidence, or --tpm2-quote");
}

}  // namespace keyscribe::cli
