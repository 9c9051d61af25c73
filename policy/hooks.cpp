// SPDX-License-Identifier: Apache-2.0
#include "policy/hooks.h"

#include <algorithm>

#include "policy/text.h"

namespace keyscribe::policy {
namespace {

using enum Condition;

// Those that Linux does not even look at when it checks what goes together.
constexpr ConditionSet kWithEveryFunction = set_of({kFunc, kTemplate, kAppraiseFlag});
constexpr ConditionSet kSecurityLabels =
    set_of({kObjUser, kObjRole, kObjType, kSubjUser, kSubjRole, kSubjType});
constexpr ConditionSet kKexecCmdline = kWithEveryFunction | kSecurityLabels |
                                       set_of({kFsmagic, kUid, kFowner, kFsuuid, kEuid, kPcr,
                                               kFsname, kFsSubtype, kGid, kEgid, kFgroup});
constexpr ConditionSet kModules =
    kKexecCmdline | set_of({kMask, kAppraiseType, kPermitDirectio, kAppraiseAlgos});
constexpr ConditionSet kFiles = kModules | set_of({kDigestType});
constexpr ConditionSet kKeys =
    kWithEveryFunction | set_of({kKeyrings, kKeyringUid, kUid, kEuid, kGid, kEgid, kKeyType, kOp,
                                 kDesc, kPayload, kCommit, kProvenance, kPcr});
constexpr ConditionSet kCriticalData = kWithEveryFunction | set_of({kUid, kGid, kPcr, kLabel});
constexpr ConditionSet kSetxattr = kWithEveryFunction | kSecurityLabels | set_of({kAppraiseAlgos});

constexpr Hook kHooks[] = {
    {kKeyCheck, kMeasure | kDontMeasure, kKeys},
    {kBuiltinTrustedKeys, kMeasure | kDontMeasure, kKeys & ~set_of({kKeyrings})},
    {"FILE_CHECK", kEveryAction, kFiles},
    {"PATH_CHECK", kEveryAction, kFiles},
    {"MMAP_CHECK", kEveryAction, kFiles},
    {"FILE_MMAP", kEveryAction, kFiles},
    {"MMAP_CHECK_REQPROT", kEveryAction, kFiles, false, "6.3"},
    {"BPRM_CHECK", kEveryAction, kFiles},
    {"CREDS_CHECK", kEveryAction, kFiles},
    {"FIRMWARE_CHECK", kEveryAction, kFiles},
    {"POLICY_CHECK", kEveryAction, kFiles},
    {"MODULE_CHECK", kEveryAction, kModules, true},
    {"KEXEC_KERNEL_CHECK", kEveryAction, kModules, true},
    {"KEXEC_INITRAMFS_CHECK", kEveryAction, kModules, true},
    {"KEXEC_CMDLINE", kMeasure | kDontMeasure, kKexecCmdline},
    {"CRITICAL_DATA", kMeasure | kDontMeasure, kCriticalData},
    {"SETXATTR_CHECK", kAppraise, kSetxattr},
};
constexpr Hook kNoHook{"", kEveryAction, kFiles};

std::string action_names(unsigned actions) {
    std::vector<std::string_view> names;
    for (const ActionWord& word : action_words())
        if (actions & word.action) names.push_back(word.name);
    return join(names, " or ");
}

/// The functions that the condition goes with.
std::string hook_names(Condition condition) {
    std::vector<std::string> names;
    for (const Hook& hook : kHooks)
        if (hook.conditions & set_of({condition}))
            names.push_back("func=" + std::string(hook.name));
    return join(names, " or ");
}

/// Of the conditions those that have a meaning for keys.
std::string key_condition_names(ConditionSet conditions) {
    std::vector<std::string> names;
    for (const ConditionWord& word : condition_words())
        if (word.condition <= kLastKeyCondition && (conditions & set_of({word.condition})))
            names.push_back(std::string(word.name) + "=");
    return join(names, " ");
}

std::string rule_name(const Draft& draft) {
    return draft.hook == nullptr ? "a rule without func=" : "func=" + std::string(draft.hook->name);
}

void check_action(const Draft& draft, const Hook& hook, std::vector<Finding>& findings) {
    if (!(draft.action & hook.actions))
        findings.push_back({draft.action_word.column,
                            quote(draft.action_word.text) + " does not go with " + rule_name(draft),
                            action_names(hook.actions)});
}

void check_conditions(const Draft& draft, const Hook& hook, std::vector<Finding>& findings) {
    for (const ConditionWord& word : condition_words()) {
        const auto& given = draft.word(word.condition);
        if (!given || (hook.conditions & set_of({word.condition}))) continue;
        findings.push_back({given->column,
                            quote(word.name) + " does not go with " + rule_name(draft),
                            is_key_hook(hook) ? "one of: " + key_condition_names(hook.conditions)
                                              : "it with " + hook_names(word.condition)});
    }
}

/// Conditions that say how an action is done need that action.
void check_needed_action(const Draft& draft, std::initializer_list<Condition> conditions,
                         ActionBit needed, std::vector<Finding>& findings) {
    if (draft.action == needed) return;
    for (const ConditionWord& word : condition_words()) {
        const auto& given = draft.word(word.condition);
        if (given && (set_of(conditions) & set_of({word.condition})))
            findings.push_back(
                {given->column,
                 quote(word.name) + " does not go with the action " + quote(draft.action_word.text),
                 "it with the action " + action_names(needed) + " only"});
    }
}

/// IMA keeps one user and one group for a rule, be it the real or the effective one.
void check_single_id(const Draft& draft, Condition real, Condition effective,
                     std::vector<Finding>& findings) {
    if (!draft.has(real) || !draft.has(effective)) return;
    const Word& word = *draft.word(effective);
    findings.push_back({word.column,
                        "the real and the effective id together, outside of func=KEY_CHECK",
                        "one of the two"});
}

void check_appraisal(const Draft& draft, const Hook& hook, std::vector<Finding>& findings) {
    if (draft.modsig && !hook.modsig)
        findings.push_back({draft.word(kAppraiseType)->column,
                            "appended signatures do not go with " + rule_name(draft),
                            "appraise_type=imasig"});
    if (draft.action == kAppraise && draft.verity && !draft.signature)
        findings.push_back({draft.word(kDigestType)->column,
                            "'appraise' with digest_type=verity needs a signature",
                            "appraise_type=sigv3 with it"});
    if (hook.actions == kAppraise && !draft.has(kAppraiseAlgos))
        findings.push_back({draft.word(kFunc)->column, rule_name(draft) + " needs appraise_algos=",
                            "as in appraise_algos=sha256,sha512"});
}

}  // namespace

std::span<const Hook> hooks() { return kHooks; }

const Hook* find_hook(std::string_view name) {
    const auto found = std::ranges::find(kHooks, name, &Hook::name);
    return found == std::end(kHooks) ? nullptr : found;
}

bool is_key_hook(const Hook& hook) {
    return hook.name == kKeyCheck || hook.name == kBuiltinTrustedKeys;
}

std::vector<Finding> check_combination(const Draft& draft) {
    std::vector<Finding> findings;
    const Hook& hook = draft.hook == nullptr ? kNoHook : *draft.hook;
    check_action(draft, hook, findings);
    check_conditions(draft, hook, findings);
    if (!findings.empty()) return findings;

    check_needed_action(draft, {kPcr, kPayload, kCommit, kProvenance}, kMeasure, findings);
    check_needed_action(draft, {kAppraiseType, kAppraiseAlgos}, kAppraise, findings);
    if (!is_key_hook(hook)) {
        check_single_id(draft, kUid, kEuid, findings);
        check_single_id(draft, kGid, kEgid, findings);
    }
    check_appraisal(draft, hook, findings);
    return findings;
}

}  // namespace keyscribe::policy
