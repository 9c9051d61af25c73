// SPDX-License-Identifier: Apache-2.0
#include "policy/conditions.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "policy/glob.h"
#include "policy/hooks.h"
#include "policy/limits.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

using Read = std::optional<Finding>;

Read wrong(const Word& value, std::string message, std::string expected, std::size_t offset = 0) {
    return Finding{value.column + offset, std::move(message), std::move(expected)};
}

/// As the kernel's kstrtoul(): a sign '+' is allowed, blanks are not, zeros may lead.
std::optional<std::uint64_t> read_number(std::string_view text, int base) {
    if (text.starts_with('+')) text.remove_prefix(1);
    if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// A list A|B|..., none of them empty. A finding: it is not one.
Read read_list(const Word& value, std::string_view what, std::vector<Word>& items) {
    for (std::size_t begin = 0; begin <= value.text.size();) {
        const std::size_t end = std::min(value.text.find('|', begin), value.text.size());
        if (begin == end)
            return wrong(value, "an empty name in the list", std::string(what), begin);
        items.push_back({value.text.substr(begin, end - begin), value.column + begin});
        begin = end + 1;
    }
    return {};
}

Read read_any(Draft&, char, const Word&) { return {}; }

Read read_func(Draft& draft, char, const Word& value) {
    draft.hook = find_hook(value.text);
    if (draft.hook != nullptr) {
        if (!draft.hook->since.empty())
            draft.novelties.push_back({value.column, quote(value.text), draft.hook->since});
        return {};
    }
    std::vector<std::string_view> names;
    for (const Hook& hook : hooks()) names.push_back(hook.name);
    std::string expected = "one of: " + join(names, " ");
    if (const auto meant = closest(value.text, names); !meant.empty())
        expected += "; did you mean " + quote(meant) + "?";
    return wrong(value, "unknown function " + quote(value.text), std::move(expected));
}

Read read_keyrings(Draft& draft, char, const Word& value) {
    std::vector<Word> names;
    if (auto finding = read_list(value, "keyrings' names, as in .ima|.evm", names)) return finding;
    if (names.size() > kMaxRuleKeyrings)
        return Finding{names[kMaxRuleKeyrings].column, "too many keyrings in one rule",
                       "at most " + std::to_string(kMaxRuleKeyrings)};
    for (const Word& name : names) {
        if (name.text.contains('"'))
            draft.warnings.push_back(
                {name.column,
                 "as in IMA, quotes are part of the keyring's name " + quote(name.text)});
        if (is_common(name.text) && !draft.common_keyring) draft.common_keyring = name;
        draft.rule.keyrings.emplace_back(name.text);
    }
    return {};
}

Read read_id(char comparison, const Word& value, std::optional<IdCondition>& condition) {
    const auto number = read_number(value.text, 10);
    if (!number || *number > kMaxId)
        return wrong(value, quote(value.text) + " is not an id",
                     "a decimal number from 0 to " + std::to_string(kMaxId));
    condition = IdCondition{comparison, static_cast<std::uint32_t>(*number)};
    return {};
}

template <std::optional<IdCondition> Rule::* member>
Read read_rule_id(Draft& draft, char comparison, const Word& value) {
    auto finding = read_id(comparison, value, draft.rule.*member);
    if (finding) return finding;
    const std::uint32_t number = (draft.rule.*member)->value;
    if ((comparison == '<' && number == 0) || (comparison == '>' && number == kMaxId))
        draft.warnings.push_back({value.column, "this rule can never match: no such id exists"});
    return {};
}

Read read_keyring_uid(Draft& draft, char comparison, const Word& value) {
    if (value.text != "*") return read_rule_id<&Rule::keyring_uid>(draft, comparison, value);
    if (comparison != '=')
        return wrong(value, "'*' behind '" + std::string(1, comparison) + "'", "keyring_uid=*");
    draft.rule.keyring_uid = IdCondition{'*', 0};
    return {};
}

Read read_file_id(Draft&, char comparison, const Word& value) {
    std::optional<IdCondition> ignored;
    return read_id(comparison, value, ignored);
}

Read read_key_type(Draft& draft, char, const Word& value) {
    draft.rule.key_types.clear();
    if (value.text == "*") return {};
    std::vector<Word> names;
    if (auto finding = read_list(value, "key types' names, as in asymmetric|blacklist", names))
        return finding;
    for (const Word& name : names) {
        if (name.text.contains('*'))
            return Finding{name.column, "'*' in a key type's name",
                           "names in full, or '*' alone for every type"};
        if (name.text.size() > kMaxKeyTypeBytes)
            return Finding{name.column, "no key type has so long a name",
                           "at most " + std::to_string(kMaxKeyTypeBytes) + " bytes"};
        draft.rule.key_types.emplace_back(name.text);
    }
    return {};
}

Read read_op(Draft& draft, char, const Word& value) {
    const std::string expected = "all, or some of: " + join(kOperationNames, "|");
    if (value.text == "all") {
        draft.rule.operations = kAllOperations;
        return {};
    }
    std::vector<Word> names;
    if (auto finding = read_list(value, expected, names)) return finding;
    draft.rule.operations = 0;
    for (const Word& name : names) {
        const auto operation = operation_named(name.text);
        if (!operation)
            return Finding{name.column, "unknown operation " + quote(name.text), expected};
        draft.rule.operations |= operation_bit(*operation);
    }
    return {};
}

Read read_desc(Draft& draft, char, const Word& value) {
    std::string_view glob = value.text;
    const std::size_t quotes = glob.starts_with('"') ? 1 : 0;
    glob = glob.substr(quotes, glob.size() - 2 * quotes);
    if (glob.empty()) return wrong(value, "an empty glob", "as in desc=\"Debian*\"");
    if (const auto error = check_glob(glob))
        return wrong(value, error->message, "a shell glob: * ? [a-z] [!a-z] \\",
                     error->offset + quotes);
    draft.rule.description = glob;
    return {};
}

Read read_payload(Draft& draft, char, const Word& value) {
    if (value.text == "full")
        draft.rule.payload = Payload::kFull;
    else if (value.text == "digest")
        draft.rule.payload = Payload::kDigest;
    else if (value.text == "none")
        draft.rule.payload = Payload::kNone;
    else
        return wrong(value, quote(value.text) + " is not a way to measure a payload",
                     "full, digest or none");
    return {};
}

Read read_commit(Draft& draft, char, const Word& value) {
    if (value.text == "group")
        draft.rule.commit = Commit::kGroup;
    else if (value.text == "each")
        draft.rule.commit = Commit::kEach;
    else
        return wrong(value, quote(value.text) + " is not a way to commit records", "group or each");
    return {};
}

Read read_provenance(Draft& draft, char, const Word& value) {
    if (value.text == "journal")
        draft.rule.provenance = Provenance::kJournal;
    else if (value.text == "measured")
        draft.rule.provenance = Provenance::kMeasured;
    else
        return wrong(value, quote(value.text) + " is no place for who did it",
                     "journal or measured");
    return {};
}

Read read_pcr(Draft& draft, char, const Word& value) {
    const auto number = read_number(value.text, 10);
    // IMA's own rules go up to 63. Whether this one is ours is known at the end of the line.
    if (!number || *number > kMaxImaPcr)
        return wrong(value, quote(value.text) + " is not a PCR",
                     "a decimal number from 0 to " + std::to_string(kMaxPcr));
    draft.rule.pcr = static_cast<std::uint32_t>(*number);
    return {};
}

/// Names and formats of builtin_templates[] in security/integrity/ima/ima_template.c.
constexpr std::string_view kBufTemplates[] = {"ima-buf", "d-ng|n-ng|buf"};
constexpr std::string_view kOtherTemplates[] = {
    "ima",        "d|n",
    "ima-ng",     "d-ng|n-ng",
    "ima-sig",    "d-ng|n-ng|sig",
    "ima-ngv2",   "d-ngv2|n-ng",
    "ima-sigv2",  "d-ngv2|n-ng|sig",
    "ima-modsig", "d-ng|n-ng|sig|d-modsig|modsig",
    "evm-sig",    "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode"};

Read read_template(Draft& draft, char, const Word& value) {
    if (draft.action != kMeasure)
        return wrong(value, "a template without 'measure' before it",
                     "'measure' at the rule's beginning");
    if (contains(kBufTemplates, value.text)) return {};
    if (!contains(kOtherTemplates, value.text))
        return wrong(value, "unknown template " + quote(value.text), "ima-buf");
    draft.warnings.push_back(
        {value.column, "measured with the template ima-buf, not with " + quote(value.text)});
    return {};
}

Read read_mask(Draft&, char, const Word& value) {
    static constexpr std::string_view kMasks[] = {"MAY_EXEC", "MAY_WRITE", "MAY_READ",
                                                  "MAY_APPEND"};
    if (contains(kMasks, value.text.substr(value.text.starts_with('^')))) return {};
    return wrong(value, "unknown mask " + quote(value.text),
                 "one of: " + join(kMasks, " ") + ", perhaps with '^' before it");
}

Read read_fsmagic(Draft&, char, const Word& value) {
    if (read_number(value.text, 16)) return {};
    return wrong(value, quote(value.text) + " is not a number", "a hexadecimal number");
}

/// As uuid_parse(): what follows the 36 characters is not looked at.
Read read_fsuuid(Draft&, char, const Word& value) {
    constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool valid = value.text.size() >= kForm.size();
    for (std::size_t i = 0; valid && i < kForm.size(); i++)
        valid = kForm[i] == '-'
                    ? value.text[i] == '-'
                    : std::string_view("0123456789abcdefABCDEF").contains(value.text[i]);
    if (valid) return {};
    return wrong(value, quote(value.text) + " is not a UUID", std::string(kForm));
}

Read read_digest_type(Draft& draft, char, const Word& value) {
    if (value.text != "verity")
        return wrong(value, "unknown kind of digest " + quote(value.text), "verity");
    if (draft.signature && !draft.verity)
        draft.novelties.push_back({value.column, "digest_type= behind appraise_type=", "7.1"});
    draft.verity = true;
    return {};
}

Read read_appraise_type(Draft& draft, char, const Word& value) {
    const bool sigv3 = value.text == "sigv3", modsig = value.text == "imasig|modsig";
    const bool possible = sigv3 || (!draft.verity && value.text == "imasig") ||
                          (!draft.verity && !draft.sigv3 && modsig);
    if (!possible)
        return wrong(value, quote(value.text) + " is not possible here",
                     draft.verity  ? "sigv3"
                     : draft.sigv3 ? "sigv3 or imasig"
                                   : "sigv3, imasig or imasig|modsig");
    draft.signature = true;
    draft.sigv3 = draft.sigv3 || sigv3;
    draft.modsig = draft.modsig || modsig;
    return {};
}

/// hash_algo_name[] in crypto/hash_info.c.
constexpr std::string_view kHashes[] = {
    "md4",     "md5",         "sha1",        "rmd160",   "sha256",   "sha384",
    "sha512",  "sha224",      "rmd128",      "rmd256",   "rmd320",   "wp256",
    "wp384",   "wp512",       "tgr128",      "tgr160",   "tgr192",   "sm3",
    "sm3-256", "streebog256", "streebog512", "sha3-256", "sha3-384", "sha3-512"};

Read read_appraise_algos(Draft& draft, char, const Word& value) {
    for (std::size_t begin = 0; begin <= value.text.size();) {
        const std::size_t end = std::min(value.text.find(',', begin), value.text.size());
        const std::string_view name = value.text.substr(begin, end - begin);
        if (!contains(kHashes, name))
            return wrong(value, "unknown hash algorithm " + quote(name),
                         "names with commas between them, as in sha256,sha512", begin);
        if (name.starts_with("sha3-"))
            draft.novelties.push_back({value.column + begin, quote(name), "6.7"});
        begin = end + 1;
    }
    return {};
}

Read read_label(Draft&, char, const Word& value) {
    std::vector<Word> labels;
    return read_list(value, "labels, as in selinux|kernel_info", labels);
}

constexpr std::string_view kIs = "=";
constexpr std::string_view kCompares = "=<>";

constexpr std::array<ConditionWord, kConditions> kConditionWords{{
    {Condition::kFunc, "func", kIs, false, read_func},
    {Condition::kKeyrings, "keyrings", kIs, false, read_keyrings},
    {Condition::kKeyringUid, "keyring_uid", kCompares, false, read_keyring_uid},
    {Condition::kUid, "uid", kCompares, false, read_rule_id<&Rule::uid>},
    {Condition::kEuid, "euid", kCompares, false, read_rule_id<&Rule::euid>},
    {Condition::kGid, "gid", kCompares, false, read_rule_id<&Rule::gid>},
    {Condition::kEgid, "egid", kCompares, false, read_rule_id<&Rule::egid>},
    {Condition::kKeyType, "key_type", kIs, false, read_key_type},
    {Condition::kOp, "op", kIs, false, read_op},
    {Condition::kDesc, "desc", kIs, false, read_desc},
    {Condition::kPayload, "payload", kIs, false, read_payload},
    {Condition::kCommit, "commit", kIs, false, read_commit},
    {Condition::kProvenance, "provenance", kIs, false, read_provenance},
    {Condition::kPcr, "pcr", kIs, true, read_pcr},
    {Condition::kTemplate, "template", kIs, false, read_template},
    {Condition::kMask, "mask", kIs, false, read_mask},
    {Condition::kFsmagic, "fsmagic", kIs, false, read_fsmagic},
    {Condition::kFsname, "fsname", kIs, true, read_any},
    {Condition::kFsSubtype, "fs_subtype", kIs, false, read_any, "6.19"},
    {Condition::kFsuuid, "fsuuid", kIs, false, read_fsuuid},
    {Condition::kFowner, "fowner", kCompares, false, read_file_id},
    {Condition::kFgroup, "fgroup", kCompares, false, read_file_id},
    {Condition::kObjUser, "obj_user", kIs, false, read_any},
    {Condition::kObjRole, "obj_role", kIs, false, read_any},
    {Condition::kObjType, "obj_type", kIs, false, read_any},
    {Condition::kSubjUser, "subj_user", kIs, false, read_any},
    {Condition::kSubjRole, "subj_role", kIs, false, read_any},
    {Condition::kSubjType, "subj_type", kIs, false, read_any},
    {Condition::kDigestType, "digest_type", kIs, true, read_digest_type},
    {Condition::kAppraiseType, "appraise_type", kIs, true, read_appraise_type},
    {Condition::kAppraiseFlag, "appraise_flag", kIs, true, read_any},
    {Condition::kAppraiseAlgos, "appraise_algos", kIs, false, read_appraise_algos},
    {Condition::kPermitDirectio, "permit_directio", "", true, read_any},
    {Condition::kLabel, "label", kIs, false, read_label},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kConditions; i++)
        if (kConditionWords[i].condition != static_cast<Condition>(i)) return false;
    return true;
}
static_assert(in_order());

constexpr ActionWord kActionWords[] = {
    {kMeasure, "measure"},    {kDontMeasure, "dont_measure"},
    {kAppraise, "appraise"},  {kDontAppraise, "dont_appraise"},
    {kAudit, "audit"},        {kHash, "hash"},
    {kDontHash, "dont_hash"}, {kDontAudit, "dont_audit", "6.19"},
};

}  // namespace

std::span<const ConditionWord> condition_words() { return kConditionWords; }

const ConditionWord* find_condition(std::string_view name) {
    const auto found = std::ranges::find(kConditionWords, name, &ConditionWord::name);
    return found == kConditionWords.end() ? nullptr : &*found;
}

std::span<const ActionWord> action_words() { return kActionWords; }

const ActionWord* find_action(std::string_view name) {
    const auto found = std::ranges::find(kActionWords, name, &ActionWord::name);
    return found == std::end(kActionWords) ? nullptr : found;
}

}  // namespace keyscribe::policy
