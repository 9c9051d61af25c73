// SPDX-License-Identifier: Apache-2.0
// The conditions that a rule can have: IMA's (Documentation/ABI/testing/ima_policy and
// security/integrity/ima/ima_policy.c of Linux 7.3) and our own. To add one: add it to the
// enumeration and, at the same place, to the table in conditions.cpp; name it in hooks.cpp beside
// the functions that it goes with; judge it in matcher.cpp; print it in format.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/lexer.h"
#include "policy/rule.h"

namespace keyscribe::policy {

enum class Condition : std::uint8_t {
    kFunc,
    kKeyrings,
    kKeyringUid,
    kUid,
    kEuid,
    kGid,
    kEgid,
    kKeyType,
    kOp,
    kDesc,
    kPayload,
    kCommit,
    kProvenance,
    kPcr,
    kTemplate,
    // From here on without a meaning for KEY_CHECK.
    kMask,
    kFsmagic,
    kFsname,
    kFsSubtype,
    kFsuuid,
    kFowner,
    kFgroup,
    kObjUser,
    kObjRole,
    kObjType,
    kSubjUser,
    kSubjRole,
    kSubjType,
    kDigestType,
    kAppraiseType,
    kAppraiseFlag,
    kAppraiseAlgos,
    kPermitDirectio,
    kLabel,
    kCount
};

inline constexpr Condition kLastKeyCondition = Condition::kTemplate;
inline constexpr std::size_t kConditions = static_cast<std::size_t>(Condition::kCount);

/// A set of conditions: a bit for each.
using ConditionSet = std::uint64_t;
constexpr ConditionSet set_of(std::initializer_list<Condition> conditions) {
    ConditionSet set = 0;
    for (const Condition condition : conditions) set |= 1ull << static_cast<unsigned>(condition);
    return set;
}

/// IMA's actions.
enum ActionBit : unsigned {
    kMeasure = 1u << 0,
    kDontMeasure = 1u << 1,
    kAppraise = 1u << 2,
    kDontAppraise = 1u << 3,
    kAudit = 1u << 4,
    kHash = 1u << 5,
    kDontHash = 1u << 6,
    kDontAudit = 1u << 7,
};
inline constexpr unsigned kEveryAction = (1u << 8) - 1;

struct Hook;

/// What of IMA's language a rule uses that Linux 6.1, the oldest kernel this runs on, refuses.
struct Novelty {
    std::size_t column = 0;
    std::string what;        ///< "'dont_audit'"
    std::string_view since;  ///< the first release that takes it: "6.19"
};

/// A rule while it is read.
struct Draft {
    unsigned action = 0;  // one ActionBit, or 0: none yet
    Word action_word;
    const Hook* hook = nullptr;                          // the function that func= names
    std::array<std::optional<Word>, kConditions> words;  // what is given, the last of each
    std::optional<Word> common_keyring;  // the first in keyrings= that every user can make
    bool verity = false;                 // digest_type=verity
    bool signature = false;              // some appraise_type=
    bool sigv3 = false;                  // appraise_type=sigv3
    bool modsig = false;                 // appraise_type=imasig|modsig
    std::vector<Novelty> novelties;
    Rule rule;
    std::vector<Finding> warnings;

    bool has(Condition condition) const { return word(condition).has_value(); }
    const std::optional<Word>& word(Condition condition) const {
        return words[static_cast<std::size_t>(condition)];
    }
};

struct ConditionWord {
    Condition condition;
    std::string_view name;
    std::string_view operators;  ///< the characters that can stand behind the name; empty: no value
    bool repeatable;             ///< the last one counts
    /// Takes the value over into the draft. A finding: it is not valid.
    std::optional<Finding> (*read)(Draft& draft, char comparison, const Word& value);
    std::string_view since = {};  ///< the first release that knows it; empty: Linux 6.1 does
};

std::span<const ConditionWord> condition_words();
const ConditionWord* find_condition(std::string_view name);  ///< nullptr: there is none

struct ActionWord {
    ActionBit action;
    std::string_view name;
    std::string_view since = {};  ///< as of ConditionWord
};

std::span<const ActionWord> action_words();
const ActionWord* find_action(std::string_view name);  ///< nullptr: there is none

}  // namespace keyscribe::policy
