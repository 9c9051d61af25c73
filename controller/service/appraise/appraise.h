// SPDX-License-Identifier: Apache-2.0
// libkeyscribe-appraise: decides from what a host sends whether the keys that it trusts are those
// that it should trust. Needs no TPM, no BPF and no rights; has no global state.
//
//     Basis parts;                                      // once, for any number of hosts
//     parts.references = *ReferenceValues::load("/etc/reference-values");
//     const Basis basis = *complete(std::move(parts));
//     const auto key = *AttestationKey::from_pem(pem);  // of this host, by credential activation
//     const Appraisal result = appraise({.evidence = bytes, .nonce = nonce, .keys = {&key, 1},
//                                        .now = std::time(nullptr)}, basis);
//     if (result.verdict != Verdict::kAffirmed) for (const Finding& finding : result.findings) ...
//
// Every function may be called from any number of threads at once; a Basis is only read. Nothing
// throws but std::bad_alloc. Findings' codes are stable; README.md has them all.
// C++23: c++ -std=c++23 service.cpp $(pkg-config --cflags --libs keyscribe-appraise)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "controller/evidence/evidence.h"
#include "controller/service/appraise/blocked.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/key_verdict.h"
#include "controller/service/appraise/policy.h"
#include "controller/service/appraise/quote.h"
#include "controller/service/appraise/references.h"
#include "controller/service/appraise/state.h"

namespace keyscribe::keyrings {
class KeyringModel;
}

namespace keyscribe::appraise {

class SignatureCache;

/// The attestation result. The numbers are the CLI's exit status.
enum class Verdict {
    kAffirmed = 0,
    kContraindicated = 1,  ///< genuine evidence of a state that is not accepted
    kUnusable = 2,         ///< malformed, forged, or not what was asked for: nothing is known
};
/// What the worst finding makes of the evidence.
Verdict verdict_of(Weight worst);
std::string_view name_of(Verdict verdict);

/// What evidence is appraised against. Only read, so one serves any number of threads. The parts
/// are put together by complete(): with a policy's names or blocked keys that did not go through
/// it, everything is kUnusable.
struct Basis {
    AppraisalPolicy policy;
    ReferenceValues references;
    BlockedKeys blocked_keys;
    BlockedFiles blocked_files;
};

/// Checks the policy's names (see check_names()), and blocks the blocked keys in every form in
/// which the reference values know them. Error: a name that can match nothing.
Result<Basis> complete(Basis parts);

struct Request {
    Bytes evidence;                        ///< CBOR or JSON: controller/evidence/EVIDENCE.md
    Bytes nonce;                           ///< that the service chose for this evidence
    std::span<const AttestationKey> keys;  ///< one of them must have signed
    std::int64_t now = 0;                  ///< seconds since 1970: when certificates have expired
    Bytes state{};                         ///< a kept state's file of this host, or empty
    const KeptState* snapshot = nullptr;   ///< in its place, of this host: parse_snapshot()
    PcrBanks before_kexec{};               ///< of whole evidence that is judged again: its state's
    unsigned threads = 1;                  ///< for a long list
    SignatureCache* signatures = nullptr;  ///< of all hosts, or none
};

struct Appraisal {
    Verdict verdict = Verdict::kUnusable;
    std::vector<Finding> findings;

    std::int64_t time = 0;           ///< Request::now
    std::int64_t until = INT64_MAX;  ///< when, by the clock alone, another verdict may be due

    // What follows is told for people; where the verdict is kUnusable it may be missing.
    std::string boot_id, kernel, software;
    std::string kernel_image;           ///< that was booted, by kernel-images.json; may be empty
    std::string policy_digest;          ///< SHA-256, hex, of the host's policy
    std::optional<QuoteClaims> claims;  ///< of the quote
    std::string key;       ///< that signed: SHA-256 of its SubjectPublicKeyInfo, in hex
    std::string key_name;  ///< its TPM name, in hex, where the evidence has the TPM's structure
    std::string key_file;  ///< AttestationKey::label()
    std::uint64_t entries = 0;         ///< of Keyscribe's list that the quote covers
    std::uint64_t entries_beyond = 0;  ///< that it does not: the lag
    std::uint64_t keys = 0;            ///< different keys that stood in judged keyrings
    std::uint64_t ima_entries = 0;     ///< of the kernel's list
    std::uint64_t ima_signatures = 0;  ///< in it that were verified, and are good

    /// What stood where, by the list that the quote covers. Null where the evidence is unusable.
    std::shared_ptr<const keyrings::KeyringModel> model;
    std::vector<KeyVerdict> verdicts;  ///< of each key in each keyring: by the model's links

    /// To be kept, in place of the state that was given, unless that is newer: header(), then
    /// `kept`, `added` and `state.ima`; `kept` is empty where a snapshot was given. Nothing where
    /// the evidence is unusable. The views last as long as the request's evidence and state, and
    /// `document`.
    struct Next {
        KeptState state;
        Bytes kept, added;
        std::shared_ptr<const std::vector<std::uint8_t>> ima;  ///< what state.ima may lie in
        std::string header() const;
        /// For parse_snapshot(), of all of the list that was judged. `nonce`: the evidence's.
        /// Nothing: of this list only the whole will do.
        std::optional<std::vector<std::uint8_t>> snapshot(Bytes nonce) const;
        Bytes extract;             ///< of the snapshot that was given
        std::uint64_t before = 0;  ///< entries before `added`
    };
    std::optional<Next> next;
    std::shared_ptr<const evidence::Document> document;
};

Appraisal appraise(const Request& request, const Basis& basis);

/// As above, of evidence that was taken apart already, or put together from tpm2_quote's files: its
/// `ak` and `boot_id` may then be empty. `request.evidence` is not looked at.
Appraisal appraise(const evidence::Evidence& evidence, const Request& request, const Basis& basis);

/// A finding that only the caller can have, who sees all the evidence of a run: it counts as those
/// of the appraisal itself.
void add(Appraisal& appraisal, const Code& code, std::string sentence);

/// A JSON object on one line of ASCII.
std::string to_json(const Appraisal& appraisal, std::string_view file);

}  // namespace keyscribe::appraise
