// SPDX-License-Identifier: Apache-2.0
#include "policy/explain.h"

#include "policy/format.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

std::string id_reason(std::string_view name, std::uint32_t id,
                      const std::optional<IdCondition>& condition) {
    return std::string(name) + " " + std::to_string(id) + " is not " + condition->compare + " " +
           std::to_string(condition->value);
}

std::string reason(Mismatch mismatch, const Rule& rule, const Subject& subject) {
    switch (mismatch) {
        case Mismatch::kOperation:
            return "op " + std::string(operation_name(subject.operation)) + " is not in op=";
        case Mismatch::kKeyring:
            return "keyring " + quote(subject.keyring) + " is not in keyrings=";
        case Mismatch::kKeyringUid:
            if (subject.keyring_uid == kNoId) return "the keyring's owner is not known";
            return id_reason("keyring_uid", subject.keyring_uid,
                             rule.keyring_uid ? rule.keyring_uid : IdCondition{});
        case Mismatch::kKeyType:
            return "key type " + quote(subject.key_type) + " is not " +
                   escape(join(rule.key_types, " or "));
        case Mismatch::kUid:
            return id_reason("uid", subject.uid, rule.uid);
        case Mismatch::kEuid:
            return id_reason("euid", subject.euid, rule.euid);
        case Mismatch::kGid:
            return id_reason("gid", subject.gid, rule.gid);
        case Mismatch::kEgid:
            return id_reason("egid", subject.egid, rule.egid);
        case Mismatch::kDescription:
            return "description " + quote(subject.description) + " does not match desc=";
    }
    return {};
}

std::string decision(const Rule* rule) {
    if (rule == nullptr) return "no rule matches: not measured";
    if (rule->action == Action::kDontMeasure) return "decision: not measured";
    std::string text = "decision: measured, ";
    switch (rule->payload) {
        case Payload::kFull:
            text += "with the payload";
            break;
        case Payload::kDigest:
            text += "with the payload's digest";
            break;
        case Payload::kNone:
            text += "without the payload";
            break;
    }
    if (rule->commit == Commit::kEach) text += ", always with an extend of its own";
    if (rule->provenance == Provenance::kMeasured) text += ", with who did it";
    return text +
           (rule->pcr ? ", into PCR " + std::to_string(*rule->pcr) : ", into the configured PCR");
}

}  // namespace

Explanation explain(const Policy& policy, const Subject& subject) {
    Explanation explanation;
    for (const Rule& rule : policy.rules) {
        explanation.lines.push_back(escape(policy.sources[rule.origin.source].name) + ":" +
                                    std::to_string(rule.origin.line) + ": " +
                                    escape(to_text(rule)));
        const auto failed = mismatch(rule, subject);
        explanation.lines.push_back("    " +
                                    (failed ? "no: " + reason(*failed, rule, subject) : "matches"));
        if (failed) continue;
        explanation.decided_by = &rule;
        break;
    }
    explanation.lines.push_back(decision(explanation.decided_by));
    return explanation;
}

}  // namespace keyscribe::policy
