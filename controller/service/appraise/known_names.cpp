// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/known_names.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/policy.h"

namespace keyscribe::appraise {
namespace {

constexpr std::size_t kSuggestable = 256;
constexpr std::string_view kDidYouMean = "did you mean '";

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

/// Levenshtein's distance: letters to insert, remove or change; capitals count as small ones.
std::size_t distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < to.size(); ++j) {
            const std::size_t changed = diagonal + (lower(from[i]) != lower(to[j]));
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

bool has_control_or_outer_blank(std::string_view name) {
    return name.starts_with(' ') || name.ends_with(' ') ||
           std::ranges::any_of(name, [](char letter) {
               return static_cast<unsigned char>(letter) < ' ' || letter == 0x7f;
           });
}

bool any_matches(std::string_view glob, const std::vector<std::string>& names) {
    const Names globs{std::string(glob)};
    return std::ranges::any_of(names,
                               [&](const std::string& name) { return matches_any(globs, name); });
}

}  // namespace

const std::vector<std::string>& kernel_keyrings() {
    // keyring_alloc() in certs/, security/integrity/, fs/ and net/ of Linux 6.1 to 7.3, and the
    // names of security/integrity/digsig.c.
    static const std::vector<std::string> names{
        ".builtin_trusted_keys",
        ".secondary_trusted_keys",
        ".machine",
        ".platform",
        ".blacklist",
        ".ima",
        "._ima",
        "_ima",
        ".evm",
        "._evm",
        "_evm",
        ".ima_blacklist",
        ".ima_mok",
        ".fs-verity",
        ".dm-verity",
        ".sed_opal",
        ".builtin_regdb_keys",
        ".dns_resolver",
        ".id_resolver",
        ".cifs_idmap",
        ".cifs_spnego",
        ".nvme",
        ".nfs",
        ".nfsd",
        ".user_reg",
        ".persistent_register",
    };
    return names;
}

const std::vector<std::string>& kernel_key_types() {
    // register_key_type() in Linux 6.1 to 7.3.
    static const std::vector<std::string> names{
        "asymmetric",
        "keyring",
        "user",
        "logon",
        "big_key",
        "encrypted",
        "trusted",
        "blacklist",
        "psk",
        "dns_resolver",
        "id_resolver",
        "id_legacy",
        "cifs.idmap",
        "cifs.spnego",
        "rxrpc",
        "rxrpc_s",
        "ceph",
        "pkcs7_test",
        "fscrypt-provisioning",
        ".request_key_auth",
    };
    return names;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
    constexpr std::size_t kListed = 8;
    const std::string* nearest = nullptr;
    std::size_t least = 0;
    for (const std::string& candidate : candidates) {
        if (name.size() > kSuggestable || candidate.size() > kSuggestable) continue;
        const std::size_t changes = distance(name, candidate);
        if (nearest == nullptr || changes < least) nearest = &candidate, least = changes;
    }
    if (nearest != nullptr && least <= std::max<std::size_t>(2, name.size() / 3))
        return std::string(kDidYouMean) + printable(*nearest) + "'?";
    std::string text;
    for (std::size_t i = 0; i < std::min(candidates.size(), kListed); ++i)
        text += (i == 0 ? "known are: " : ", ") + printable(candidates[i]);
    if (candidates.size() > kListed) text += ", ...";
    return text;
}

std::optional<NameProblem> keyring_problem(std::string_view name, bool globs,
                                           const std::vector<std::string>& also) {
    if (name.empty()) return NameProblem{"no keyring has an empty name", "name each keyring"};
    if (has_control_or_outer_blank(name))
        return NameProblem{"a keyring's name with a blank or a control character at its end",
                           suggestion(name, kernel_keyrings())};
    if (!globs && is_glob(name))
        return NameProblem{"* and ? have no meaning here", "name each keyring"};
    std::vector<std::string> known = kernel_keyrings();
    known.insert(known.end(), also.begin(), also.end());
    if (globs ? any_matches(name, known) : std::ranges::find(known, name) != known.end())
        return std::nullopt;
    if (name.starts_with('.'))
        return NameProblem{"no keyring that a kernel makes has this name", suggestion(name, known)};
    const std::string dotted = '.' + std::string(name);
    if (std::ranges::find(known, dotted) != known.end())
        return NameProblem{"a keyring's name without its dot",
                           std::string(kDidYouMean) + dotted + "'?"};
    return std::nullopt;
}

std::optional<NameProblem> folder_problem(std::string_view name) {
    auto problem = keyring_problem(name, false, {});
    // "..data" of a Kubernetes volume that was copied with its links followed.
    if (name.starts_with(".."))
        return NameProblem{"no keyring has such a name", "remove the folder"};
    if (problem && name.starts_with('.') && !problem->hint.starts_with(kDidYouMean))
        return std::nullopt;
    return problem;
}

std::optional<NameProblem> key_type_problem(std::string_view name) {
    if (any_matches(name, kernel_key_types())) return std::nullopt;
    return NameProblem{"no kernel has a key type of this name",
                       suggestion(name, kernel_key_types())};
}

}  // namespace keyscribe::appraise
