// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_parser.h"

#include <algorithm>
#include <string>

#include "policy/conditions.h"
#include "policy/hooks.h"
#include "policy/limits.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

/// Whether the line means to be a rule about keys: decides what is suggested.
bool is_about_keys(std::span<const Word> words) {
    return std::ranges::any_of(words, [](const Word& word) {
        return word.text == "func=KEY_CHECK" || word.text == "func=BUILTIN_TRUSTED_KEYS";
    });
}

bool is_comment(const Word& word) { return word.text.starts_with('#'); }

std::string with_operator(const ConditionWord& word) {
    return std::string(word.name) + (word.operators.empty() ? "" : "=");
}

/// The conditions that the line can have, as they begin.
std::vector<std::string> condition_forms(std::span<const Word> words) {
    const bool about_keys = is_about_keys(words);
    std::vector<std::string> forms;
    for (const ConditionWord& condition : condition_words())
        if (!about_keys || condition.condition <= kLastKeyCondition)
            forms.push_back(with_operator(condition));
    return forms;
}

std::vector<std::string> action_names() {
    std::vector<std::string> names;
    for (const ActionWord& action : action_words()) names.emplace_back(action.name);
    return names;
}

std::vector<std::string_view> all_names() {
    std::vector<std::string_view> names;
    for (const ConditionWord& condition : condition_words()) names.push_back(condition.name);
    for (const ActionWord& action : action_words()) names.push_back(action.name);
    return names;
}

Finding unknown(std::span<const Word> words, const Word& word, std::string_view name, bool value) {
    const std::vector<std::string> possible = value ? condition_forms(words) : action_names();
    std::string expected = "one of: " + join(possible, " ");
    if (const auto meant = closest(name, all_names()); !meant.empty()) {
        const ConditionWord* condition = find_condition(meant);
        expected += "; did you mean " +
                    quote(condition ? with_operator(*condition) : std::string(meant)) + "?";
    }
    const std::string shown = quote(std::string(name) + (value ? "=" : ""));
    return {word.column, (value ? "unknown condition " : "unknown word ") + shown,
            std::move(expected)};
}

void note_novelty(Draft& draft, std::size_t column, std::string_view name, std::string_view since) {
    if (!since.empty()) draft.novelties.push_back({column, quote(name), since});
}

std::optional<Finding> read_action(Draft& draft, const Word& word, const ActionWord& action) {
    if (draft.action != 0)
        return Finding{word.column, "a second action, " + quote(word.text), "one action a rule"};
    draft.action = action.action;
    draft.action_word = word;
    note_novelty(draft, word.column, action.name, action.since);
    return {};
}

std::optional<Finding> read_condition(Draft& draft, const Word& word,
                                      const ConditionWord& condition) {
    const std::size_t name = condition.name.size();
    if (condition.operators.empty()) {
        if (word.text.size() > name)
            return Finding{word.column + name, quote(condition.name) + " takes no value", {}};
    } else {
        std::vector<std::string> forms;
        for (const char c : condition.operators)
            forms.push_back("'" + std::string(condition.name) + c + "'");
        if (word.text.size() == name || !condition.operators.contains(word.text[name]))
            return Finding{word.column + name,
                           quote(condition.name) + " needs a value, and " +
                               (forms.size() > 1 ? "=, < or >" : "=") + " before it",
                           join(forms, " or ")};
        if (word.text.size() == name + 1)
            return Finding{word.column + name + 1, quote(word.text) + " without a value",
                           "a value directly behind it"};
    }

    auto& given = draft.words[static_cast<std::size_t>(condition.condition)];
    if (given && !condition.repeatable)
        return Finding{word.column, quote(condition.name) + " for the second time",
                       "it once a rule"};
    given = word;
    note_novelty(draft, word.column, condition.name, condition.since);
    if (condition.operators.empty()) return condition.read(draft, ' ', word);
    return condition.read(draft, word.text[name],
                          {word.text.substr(name + 1), word.column + name + 1});
}

std::optional<Finding> read_word(Draft& draft, std::span<const Word> words, const Word& word,
                                 bool shown) {
    if (const ActionWord* action = find_action(word.text)) return read_action(draft, word, *action);
    const std::size_t end = word.text.find_first_of("=<>");
    const std::string_view name = word.text.substr(0, end);
    if (const ConditionWord* condition = find_condition(name))
        return read_condition(draft, word, *condition);
    if (!shown) return Finding{word.column, {}, {}};
    return unknown(words, word, name, end != std::string_view::npos);
}

std::size_t value_column(const Draft& draft, Condition condition) {
    const auto& word = draft.word(condition);
    return word ? word->column + word->text.find('=') + 1 : 0;
}

/// What is new because of how words go together.
void note_combinations(Draft& draft) {
    const auto add = [&](Condition condition, std::string what, std::string_view since) {
        draft.novelties.push_back({draft.word(condition)->column, std::move(what), since});
    };
    // Since 6.6 any appraise_flag= goes with any rule; before, it was for appended signatures.
    if (draft.has(Condition::kAppraiseFlag) && !draft.modsig)
        add(Condition::kAppraiseFlag, "appraise_flag= without appraise_type=imasig|modsig", "6.6");
    if (!draft.sigv3) return;
    if (draft.hook != nullptr && draft.hook->modsig)
        add(Condition::kAppraiseType,
            "appraise_type=sigv3 with func=" + std::string(draft.hook->name), "7.2");
    else if (!draft.verity)
        add(Condition::kAppraiseType, "appraise_type=sigv3 without digest_type=verity", "7.1");
}

/// Whether no kernel takes the rule, since something in it is this language's alone.
bool uses_own_words(const Draft& draft) {
    using enum Condition;
    constexpr Condition kOwn[] = {kKeyringUid, kKeyType,    kOp,   kDesc, kPayload,
                                  kCommit,     kProvenance, kEuid, kEgid};
    return draft.hook->name != kKeyCheck ||
           std::ranges::any_of(kOwn, [&](Condition word) { return draft.has(word); });
}

/// What only holds for rules about keys.
std::optional<Finding> finish_key_rule(Draft& draft) {
    Rule& rule = draft.rule;
    if (rule.pcr.value_or(0) > kMaxPcr)
        return Finding{value_column(draft, Condition::kPcr),
                       "PCR " + std::to_string(*rule.pcr) + " does not exist in a TPM",
                       "a decimal number from 0 to " + std::to_string(kMaxPcr)};
    rule.action = draft.action == kMeasure ? Action::kMeasure : Action::kDontMeasure;
    if (rule.action == Action::kDontMeasure) rule.payload = Payload::kNone;
    if (draft.hook->name == kBuiltinTrustedKeys) rule.keyrings.emplace_back(kBuiltinTrustedKeyring);
    if (!draft.has(Condition::kKeyType)) rule.key_types = default_key_types(rule.keyrings);
    if (draft.common_keyring && !rule.keyring_uid)
        draft.warnings.push_back({draft.common_keyring->column,
                                  "every user can make a keyring named " +
                                      quote(draft.common_keyring->text) +
                                      ": this rule is about root's alone",
                                  "keyring_uid=0 to say so, keyring_uid=* for everybody's"});
    if (rule.payload != Payload::kFull) return {};

    for (const std::string& type : rule.key_types)
        if (!contains(kPublicKeyTypes, type))
            draft.warnings.push_back({value_column(draft, Condition::kKeyType),
                                      "copies the payload of keys of type " + quote(type) +
                                          " into the list, where it is no secret any more"});
    return {};
}

}  // namespace

RuleResult parse_rule(std::span<const Word> words, std::size_t shown) {
    RuleResult result;
    Draft draft;
    for (const Word& word : words) {
        if (is_comment(word)) {
            draft.novelties.push_back({word.column, "a comment behind a rule", "6.14"});
            break;
        }
        if (auto finding = read_word(draft, words, word, result.errors.size() < shown))
            result.errors.push_back(std::move(*finding));
    }
    if (!result.errors.empty()) return result;

    if (draft.action == 0) {
        result.errors.push_back({words.front().column, "a rule without an action",
                                 "one of: " + join(action_names(), " ")});
        return result;
    }
    result.errors = check_combination(draft);
    if (!result.errors.empty()) return result;
    note_combinations(draft);
    result.novelties = std::move(draft.novelties);
    if (draft.hook == nullptr || !is_key_hook(*draft.hook)) return result;

    result.ours = uses_own_words(draft);

    if (auto finding = finish_key_rule(draft)) {
        result.errors.push_back(std::move(*finding));
        return result;
    }
    result.rule = std::move(draft.rule);
    result.warnings = std::move(draft.warnings);
    result.keyrings_column = value_column(draft, Condition::kKeyrings);
    result.key_types_column = value_column(draft, Condition::kKeyType);
    return result;
}

}  // namespace keyscribe::policy
