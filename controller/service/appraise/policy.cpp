// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/policy.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "controller/base/toml.h"
#include "controller/service/appraise/digest_text.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/known_names.h"
#include "controller/service/appraise/references.h"
#include "controller/service/firmware/guid.h"

namespace keyscribe::appraise {
namespace {

/// Reads one value; false: it is not what the setting takes.
using Setter = std::function<bool(const toml::node&)>;

struct Setting {
    std::string_view name;
    std::string_view expected;
    Setter set;
    std::optional<WrittenName::Kind> names = std::nullopt;  ///< what its texts name
};

struct Table {
    std::string_view name;
    std::vector<Setting> settings;
};

Setting flag(std::string_view name, bool& to) {
    return {name, "true or false", [&to](const toml::node& node) {
                const auto value = node.value_exact<bool>();
                to = value.value_or(to);
                return value.has_value();
            }};
}

std::optional<Names> names_of(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return std::nullopt;
    Names names;
    for (const toml::node& element : *array) {
        const auto text = element.value_exact<std::string>();
        if (!text || text->empty()) return std::nullopt;
        names.push_back(*text);
    }
    return names;
}

Setting names(std::string_view name, Names& to, WrittenName::Kind kind, bool may_be_empty = true) {
    return {name,
            may_be_empty ? "an array of texts in quotes"
                         : "an array of texts in quotes; without one, nothing would be judged",
            [&to, may_be_empty](const toml::node& node) {
                auto found = names_of(node);
                if (!found || (found->empty() && !may_be_empty)) return false;
                to = std::move(*found);
                return true;
            },
            kind};
}

Setting digests(std::string_view name, std::vector<std::vector<std::uint8_t>>& to) {
    return {name, "an array of SHA-256 digests, in hex", [&to](const toml::node& node) {
                const auto texts = names_of(node);
                if (!texts) return false;
                to.clear();
                for (const std::string& text : *texts) {
                    const auto digest = sha256_of_text(text);
                    if (!digest) return false;
                    to.emplace_back(digest->begin(), digest->end());
                }
                return true;
            }};
}

Setting signatures(std::string_view name, std::vector<ExpectedSignature>& to) {
    return {name, "an array of SHA-256 digests, in hex, or of owners (GUIDs)",
            [&to](const toml::node& node) {
                const auto texts = names_of(node);
                if (!texts) return false;
                to.clear();
                for (const std::string& text : *texts) {
                    const ExpectedSignature one{.digest = sha256_of_text(text),
                                                .owner = firmware::guid_of_text(text)};
                    if (!one.digest && !one.owner) return false;
                    to.push_back(one);
                }
                return true;
            }};
}

Setting banks(std::string_view name, std::vector<Algorithm>& to) {
    return {name, "an array of \"sha256\", \"sha384\", \"sha512\" or \"sha1\"; not \"sha1\" alone",
            [&to](const toml::node& node) {
                const auto texts = names_of(node);
                if (!texts) return false;
                to.clear();
                for (const std::string& text : *texts) {
                    const auto bank = algorithm_named(text);
                    if (!bank) return false;
                    to.push_back(*bank);
                }
                return std::ranges::any_of(to, [](auto bank) { return bank != Algorithm::kSha1; });
            }};
}

Setting number(std::string_view name, unsigned& to, unsigned high, std::string_view expected) {
    return {name, expected, [&to, high](const toml::node& node) {
                const auto value = node.value_exact<std::int64_t>();
                if (!value || *value < 0 || *value > high) return false;
                to = static_cast<unsigned>(*value);
                return true;
            }};
}

Setting uids(std::string_view name, std::vector<std::uint32_t>& to) {
    return {name, "an array of uids", [&to](const toml::node& node) {
                const toml::array* array = node.as_array();
                if (array == nullptr || array->empty()) return false;
                to.clear();
                for (const toml::node& element : *array) {
                    const auto uid = element.value_exact<std::int64_t>();
                    if (!uid || *uid < 0 || *uid >= std::int64_t{UINT32_MAX}) return false;
                    to.push_back(static_cast<std::uint32_t>(*uid));
                }
                return true;
            }};
}

/// [chain.signers]: keyrings to keyrings. A row takes the place of that keyring's default; with an
/// empty array, its keys need no signer.
Setting signers(std::string_view name, std::map<std::string, Names, std::less<>>& to) {
    return {name,
            "a table of keyrings, each with an array of those that its keys' signers stand in",
            [&to](const toml::node& node) {
                const toml::table* table = node.as_table();
                if (table == nullptr) return false;
                for (const auto& [keyring, value] : *table) {
                    auto found = names_of(value);
                    if (!found) return false;
                    to.erase(std::string(keyring.str()));
                    if (!found->empty()) to[std::string(keyring.str())] = std::move(*found);
                }
                return true;
            },
            WrittenName::Kind::kKeyring};
}

std::vector<Table> settings_of(AppraisalPolicy& policy) {
    using Kind = WrittenName::Kind;
    return {
        {"evidence",
         {number("pcr", policy.evidence.pcr, 23, "a number from 0 to 23"),
          banks("banks", policy.evidence.banks),
          flag("require_boot_aggregate", policy.evidence.require_boot_aggregate)}},
        {"keyrings",
         {names("watched", policy.keyrings.watched, Kind::kKeyrings, false),
          names("exempt", policy.keyrings.exempt, Kind::kKeyrings),
          names("types", policy.keyrings.types, Kind::kKeyType, false),
          uids("owners", policy.keyrings.owners)}},
        {"keys",
         {names("required", policy.keys.required, Kind::kReference),
          flag("allow_expired", policy.keys.allow_expired),
          names("allow_expired_in", policy.keys.allow_expired_in, Kind::kKeyring),
          flag("allow_not_yet_valid", policy.keys.allow_not_yet_valid),
          flag("allow_revoked", policy.keys.allow_revoked),
          flag("allow_other_certificate", policy.keys.allow_other_certificate)}},
        {"chain",
         {signers("signers", policy.chain.signers),
          names("reference_suffices", policy.chain.reference_suffices, Kind::kKeyrings)}},
        {"host",
         {digests("policies", policy.host.policies),
          digests("controllers", policy.host.controllers), digests("bpf", policy.host.bpf),
          flag("allow_restart", policy.host.allow_restart),
          flag("require_canary", policy.host.require_canary),
          flag("allow_kexec", policy.host.allow_kexec),
          flag("allow_policy_change", policy.host.allow_policy_change)}},
        {"ima",
         {flag("required", policy.ima.required),
          flag("require_signatures", policy.ima.require_signatures),
          flag("allow_violations", policy.ima.allow_violations),
          flag("allow_templates", policy.ima.allow_templates),
          flag("allow_uncomparable", policy.ima.allow_uncomparable),
          flag("allow_evm_signatures", policy.ima.allow_evm_signatures),
          flag("allow_appended", policy.ima.allow_appended),
          flag("allow_unverifiable", policy.ima.allow_unverifiable),
          flag("allow_other_pcrs", policy.ima.allow_other_pcrs),
          flag("allow_former_signers", policy.ima.allow_former_signers),
          number("verify_seconds", policy.ima.verify_seconds, 3600, "a number from 0 to 3600"),
          names("signers", policy.ima.signers, Kind::kKeyrings)}},
        {"firmware",
         {flag("required", policy.firmware.required),
          flag("require_secure_boot", policy.firmware.require_secure_boot),
          flag("allow_unreplayed", policy.firmware.allow_unreplayed),
          flag("allow_unknown_events", policy.firmware.allow_unknown_events),
          flag("allow_unexplained_keys", policy.firmware.allow_unexplained_keys),
          flag("allow_missing_revocations", policy.firmware.allow_missing_revocations),
          flag("allow_keys_not_of_kernel", policy.firmware.allow_keys_not_of_kernel),
          flag("require_known_kernel", policy.firmware.require_known_kernel),
          signatures("pk", policy.firmware.pk), signatures("kek", policy.firmware.kek),
          signatures("db", policy.firmware.db), signatures("dbx", policy.firmware.dbx)}},
    };
}

constexpr std::string_view kWatched = "keyrings.watched", kExempt = "keyrings.exempt";

std::string at(const std::string& file, const toml::source_region& source) {
    return file + ':' + std::to_string(source.begin.line) + ':' +
           std::to_string(source.begin.column);
}

/// "known are: a, b, c".
template <class Named>
std::string known_ones(const std::vector<Named>& all) {
    std::string text = "known are:";
    for (const Named& one : all) text += (text.ends_with(':') ? " " : ", ") + std::string(one.name);
    return text;
}

template <class Named>
const Named* find_named(const std::vector<Named>& all, std::string_view name) {
    const auto found = std::ranges::find(all, name, &Named::name);
    return found == all.end() ? nullptr : &*found;
}

/// Remembers each text below `node`, and the keys of tables, with its place.
void collect(const toml::node& node, WrittenName like, const std::string& file,
             std::vector<WrittenName>& to) {
    const auto add = [&](std::string_view name, const toml::source_region& source) {
        like.name = name;
        like.where = at(file, source);
        to.push_back(like);
    };
    if (const toml::array* array = node.as_array())
        for (const toml::node& element : *array) collect(element, like, file, to);
    else if (const toml::table* table = node.as_table())
        for (const auto& [key, value] : *table) {
            add(key.str(), key.source());
            collect(value, like, file, to);
        }
    else if (const auto text = node.value_exact<std::string>())
        add(*text, node.source());
}

Result<void> read_table(const toml::table& table, const Table& known, const std::string& file,
                        std::vector<WrittenName>& written) {
    for (const auto& [name, node] : table) {
        const Setting* setting = find_named(known.settings, name.str());
        const std::string full = std::string(known.name) + '.' + printable(name.str());
        if (setting == nullptr)
            return fail("unknown setting '" + full + "'", at(file, name.source()),
                        known_ones(known.settings));
        if (!setting->set(node))
            return fail("bad value for '" + full + "'", at(file, node.source()),
                        "expected " + std::string(setting->expected));
        if (setting->names) collect(node, {*setting->names, full, {}, {}}, file, written);
    }
    return {};
}

bool glob_matches(std::string_view glob, std::string_view text) {
    std::size_t g = 0, t = 0, star = glob.npos, resume = 0;
    while (t < text.size()) {
        if (g < glob.size() && glob[g] == '*') {
            star = g++;
            resume = t;
        } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
            ++g;
            ++t;
        } else if (star != glob.npos) {
            g = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    return glob.find_first_not_of('*', g) == glob.npos;
}

}  // namespace

Result<AppraisalPolicy> parse_policy(std::string_view text, const std::string& file) {
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed)
        return fail(printable_lines(parsed.error().description()),
                    at(file, parsed.error().source()), "it has to be TOML: see toml.io");
    AppraisalPolicy policy;
    const std::vector<Table> tables = settings_of(policy);
    for (const auto& [name, node] : parsed.table()) {
        const Table* known = find_named(tables, name.str());
        if (known == nullptr || node.as_table() == nullptr)
            return fail("unknown section '" + printable(name.str()) + "'", at(file, name.source()),
                        known_ones(tables));
        if (auto read = read_table(*node.as_table(), *known, file, policy.written); !read)
            return std::unexpected(read.error());
    }
    return policy;
}

Result<void> check_names(const AppraisalPolicy& policy, const ReferenceValues& references) {
    Names folders, files;
    for (const Reference& reference : references.all()) {
        if (!reference.keyring.empty()) folders.push_back(reference.keyring);
        files.push_back(reference.file.substr(reference.file.rfind('/') + 1));
    }
    for (const WrittenName& one : policy.written) {
        std::optional<NameProblem> problem;
        if (one.kind == WrittenName::Kind::kKeyType)
            problem = key_type_problem(one.name);
        else if (one.kind != WrittenName::Kind::kReference)
            problem = keyring_problem(one.name, one.kind == WrittenName::Kind::kKeyrings, folders);
        else if (std::ranges::none_of(references.all(), [&](const Reference& reference) {
                     return is_named(reference, one.name);
                 }))
            problem = {"no reference value has this name or digest", suggestion(one.name, files)};
        const auto takes_it_out = [&](const WrittenName& other) {
            return other.setting == kExempt && matches_any({other.name}, one.name);
        };
        if (!problem && one.setting == kWatched && !is_glob(one.name) &&
            std::ranges::any_of(policy.written, takes_it_out))
            problem = {"a keyring that 'keyrings.exempt' takes out again",
                       "leave it out of one of the two"};
        if (problem)
            return fail("'" + printable(one.name) + "' in '" + one.setting + "': " + problem->what,
                        one.where, problem->hint);
    }
    // Of a policy that no file is of.
    for (const std::string& name : policy.keys.required)
        if (std::ranges::none_of(references.all(), [&](const Reference& reference) {
                return is_named(reference, name);
            }))
            return fail("'" + printable(name) +
                        "' in 'keys.required': no reference value has this "
                        "name or digest");
    if (policy.evidence.banks.empty()) return fail("no bank in 'evidence.banks'");
    return {};
}

Names named_signers(const AppraisalPolicy& policy) {
    const AppraisalPolicy defaults;
    Names usual = defaults.ima.signers, named;
    for (const auto& [keyring, signers] : defaults.chain.signers) {
        usual.push_back(keyring);
        usual.insert(usual.end(), signers.begin(), signers.end());
    }
    for (const WrittenName& one : policy.written)
        if ((one.setting == "chain.signers" || one.setting == "ima.signers") &&
            !is_glob(one.name) && std::ranges::find(usual, one.name) == usual.end())
            named.push_back(one.name);
    return named;
}

bool is_glob(std::string_view name) { return name.find_first_of("*?") != name.npos; }

bool matches_any(const Names& globs, std::string_view name) {
    return std::ranges::any_of(
        globs, [name](const std::string& glob) { return glob_matches(glob, name); });
}

}  // namespace keyscribe::appraise
