// SPDX-License-Identifier: Apache-2.0
// What `keyscribe appraise` and `keyscribe report` are told, and what they read before they
// appraise.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/mapped_file.h"
#include "controller/service/appraise/appraise.h"

namespace keyscribe::cli {

/// The exit status where there is no verdict at all.
constexpr int kUnusable = static_cast<int>(appraise::Verdict::kUnusable);

struct AppraiseOptions {
    std::vector<std::string> files;
    std::string nonce, nonce_directory, references, blocked_keys, blocked_files, policy, state, at;
    std::vector<std::string> keys;                              ///< files, or one folder
    std::string tpm2_message, tpm2_signature, tpm2_pcrs, list;  ///< in place of files
};

/// `files`: how many pieces of evidence there may be; -1: any number.
void add_appraise_options(CLI::App& command, AppraiseOptions& options, int files);

/// For the command's callback: throws as CLI11 does where no evidence or no nonce is named at all.
void require_evidence(const CLI::App& command);

/// Error: an option was given, and its text is empty, as `--blocked-keys "$UNSET"` has it. It
/// would count as one that was not given, and nothing be compared.
Result<void> refuse_empty_texts(const CLI::App& command);

/// What one piece of evidence is asked for with: its nonce, and the keys of which one must sign.
struct Expected {
    std::vector<std::uint8_t> nonce;
    std::vector<appraise::AttestationKey> keys;
    std::int64_t now = 0;  ///< as of which certificates and keys have expired; seconds since 1970

    /// Views into this.
    appraise::Request request() const;
};

/// What evidence is compared with.
struct AppraiseInputs {
    Expected expected;  ///< of every file alike; what comes from a folder is empty
    std::filesystem::path key_directory, nonce_directory;
    appraise::Basis basis;

    /// Of this piece of evidence: in a folder HOST.pem and HOST.nonce, where HOST is the evidence's
    /// file name without its last extension.
    Result<Expected> of(const std::string& file) const;
};
Result<AppraiseInputs> load_inputs(const AppraiseOptions& options);

/// What is kept of a host, and the file that it was read from; empty where there is none yet.
Result<std::optional<MappedFile>> load_state(const std::filesystem::path& file);

/// A quote by tpm2_quote, and the list.
struct Tpm2Evidence {
    std::vector<MappedFile> files;
    evidence::Evidence evidence;  ///< views into them
};
Result<Tpm2Evidence> load_tpm2_evidence(const AppraiseOptions& options, unsigned pcr);

}  // namespace keyscribe::cli
