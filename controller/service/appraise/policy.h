// SPDX-License-Identifier: Apache-2.0
// The appraisal policy (RFC 9334, 8.5): what a service accepts. TOML 1.0; appraisal.toml in this
// folder has every setting with its default.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::appraise {

using Names = std::vector<std::string>;

/// A name as the operator wrote it, for check_names().
struct WrittenName {
    enum class Kind {
        kKeyrings,
        kKeyring,
        kKeyType,
        kReference
    } kind;  ///< kKeyrings: with * and ?
    std::string setting, name;
    std::string where;  ///< file, line and column
};

/// An entry of PK, KEK, db or dbx: one of both.
struct ExpectedSignature {
    std::optional<Sha256> digest;  ///< of the certificate; dbx: or what stands there
    std::optional<std::array<std::uint8_t, 16>> owner;  ///< SignatureOwner, as in memory
};

struct AppraisalPolicy {
    struct {
        unsigned pcr = 13;  ///< where Keyscribe's list must have been extended to
        std::vector<Algorithm> banks{Algorithm::kSha256};  ///< all must be quoted
        bool require_boot_aggregate = false;
    } evidence;
    struct {
        Names watched{"*"};          ///< globs; only keys in these are judged
        Names exempt{".blacklist"};  ///< globs; what stands in these is not trusted by anybody
        Names signers;  ///< named_signers(), which complete() sets: the host has to measure these
        Names types{"asymmetric"};             ///< of the keys that are judged
        std::vector<std::uint32_t> owners{0};  ///< uids: only their keyrings are judged
    } keyrings;
    struct {
        Names required;  ///< reference values, as is_named() knows them
        bool allow_expired = false;
        Names allow_expired_in{".platform", ".machine", ".blacklist"};  ///< keyrings, no globs
        bool allow_not_yet_valid = false;
        bool allow_revoked = false;
        bool allow_other_certificate = false;  ///< another certificate of a reference's public key
    } keys;
    struct {
        std::map<std::string, Names, std::less<>> signers{
            {".ima", {".builtin_trusted_keys", ".secondary_trusted_keys"}},
            {"._ima", {".builtin_trusted_keys", ".secondary_trusted_keys"}},
            {".evm", {".builtin_trusted_keys", ".secondary_trusted_keys"}},
            {"._evm", {".builtin_trusted_keys", ".secondary_trusted_keys"}},
            {".secondary_trusted_keys", {".builtin_trusted_keys"}},
        };
        Names reference_suffices{".secondary_trusted_keys"};  ///< a reference needs no signer there
    } chain;
    struct {
        std::vector<std::vector<std::uint8_t>> policies, controllers, bpf;  ///< SHA-256; empty: any
        bool allow_restart = false;
        bool require_canary = false;  ///< a record that capture worked after the nonce was chosen
        bool allow_kexec = true;      ///< of another kernel, with the list going on
        bool allow_policy_change = true;  ///< where policies is empty
    } host;
    struct {
        bool required = false;
        bool require_signatures = false;
        bool allow_violations = false;
        bool allow_templates = false;       ///< entries that cannot be understood
        bool allow_uncomparable = false;    ///< files in digests in which no blocked one is given
        bool allow_evm_signatures = false;  ///< in place of a required one, unverified
        bool allow_appended = false;        ///< the same of modsig
        bool allow_unverifiable = false;    ///< signatures that this OpenSSL cannot verify
        bool allow_other_pcrs = false;      ///< entries of PCRs that are not quoted
        bool allow_former_signers = false;  ///< signed by a key that stands in no keyring any more
        /// What verifying the signatures of one list may take, of one core; the rest counts as bad.
        unsigned verify_seconds = 5;
        Names signers{".ima", "._ima", "_ima"};  ///< keyrings whose keys sign files
    } ima;
    struct {
        bool required = false;
        bool require_secure_boot = false;
        bool allow_unreplayed = false;                    ///< a log that is not believed
        bool allow_unknown_events = false;                ///< before PCR 7's separator
        bool allow_unexplained_keys = false;              ///< in .platform and .machine
        bool allow_missing_revocations = false;           ///< in .blacklist
        bool allow_keys_not_of_kernel = false;            ///< in .builtin_trusted_keys
        bool require_known_kernel = false;                ///< one of kernel-images.json
        std::vector<ExpectedSignature> pk, kek, db, dbx;  ///< empty: anything
    } firmware;
    /// In the order of the file; the defaults are not in it. None once complete() has checked them.
    std::vector<WrittenName> written;
};

/// `file` is for messages. Error: bad TOML, an unknown setting, a wrong value; `where` has file,
/// line and column.
Result<AppraisalPolicy> parse_policy(std::string_view text, const std::string& file);

class ReferenceValues;

/// Error: a name in the policy's file that can match nothing: a reference value that there is not,
/// a key type or a dot keyring that no kernel has. `where` has its place, the hint what was
/// probably meant. Folders of the reference values are names of keyrings that exist.
Result<void> check_names(const AppraisalPolicy& policy, const ReferenceValues& references);

/// The keyrings that the file names in `chain.signers` and `ima.signers` without a glob, but for
/// those that the defaults name: a file that has each default written down wants nothing else.
Names named_signers(const AppraisalPolicy& policy);

/// Whether one of the globs (with * and ?) matches.
bool matches_any(const Names& globs, std::string_view name);
/// Whether it has a * or ?.
bool is_glob(std::string_view name);

}  // namespace keyscribe::appraise
