// SPDX-License-Identifier: Apache-2.0
// What `keyscribe appraise` and `keyscribe report` are told, and what they read before they
// appraise.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "controller/base/mapped_file.h"
#include "controller/service/appraise/appraise.h"

namespace keyscribe::cli {

/// The exit status where there is no verdict at all.
constexpr int kUnusable = static_cast<int>(appraise::Verdict::kUnusable);

struct AppraiseOptions {
    std::vector<std::string> files;
    std::string nonce, references, blocked_keys, blocked_files, policy, state;
    std::vector<std::string> keys;
    std::string tpm2_message, tpm2_signature, tpm2_pcrs, list;  ///< in place of files
};

/// `files`: how many pieces of evidence there may be; -1: any number.
void add_appraise_options(CLI::App& command, AppraiseOptions& options, int files);

/// For the command's callback: throws as CLI11 does where there is no evidence at all.
void require_evidence(const AppraiseOptions& options);

/// What evidence is compared with.
struct AppraiseInputs {
    std::vector<std::uint8_t> nonce;
    std::vector<appraise::AttestationKey> keys;
    appraise::Basis basis;

    /// Views into this; of now.
    appraise::Request request() const;
};
Result<AppraiseInputs> load_inputs(const AppraiseOptions& options);

/// A quote by tpm2_quote, and the list.
struct Tpm2Evidence {
    std::vector<MappedFile> files;
    evidence::Evidence evidence;  ///< views into them
};
Result<Tpm2Evidence> load_tpm2_evidence(const AppraiseOptions& options, unsigned pcr);

}  // namespace keyscribe::cli
