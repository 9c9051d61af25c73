// SPDX-License-Identifier: Apache-2.0
#include "policy/format.h"

#include "policy/text.h"

namespace keyscribe::policy {
namespace {

void add_id(std::string& text, std::string_view name, const std::optional<IdCondition>& condition) {
    if (!condition) return;
    text.append(" ").append(name) += condition->compare == '*' ? '=' : condition->compare;
    text += condition->compare == '*' ? "*" : std::to_string(condition->value);
}

std::string operation_list(Operations operations) {
    if (operations == kAllOperations) return "all";
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kOperationNames.size(); i++)
        if (operations & operation_bit(static_cast<ks_operation>(i)))
            names.push_back(kOperationNames[i]);
    return join(names, "|");
}

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

}  // namespace

std::string to_text(const Rule& rule) {
    std::string text = rule.action == Action::kMeasure ? "measure" : "dont_measure";
    text += " func=KEY_CHECK";
    if (!rule.keyrings.empty()) text += " keyrings=" + join(rule.keyrings, "|");
    add_id(text, "keyring_uid", rule.keyring_uid);
    if (rule.key_types.empty())
        text += " key_type=*";
    else if (rule.key_types != default_key_types(rule.keyrings))
        text += " key_type=" + join(rule.key_types, "|");
    if (rule.operations != kDefaultOperations) text += " op=" + operation_list(rule.operations);
    add_id(text, "uid", rule.uid);
    add_id(text, "euid", rule.euid);
    add_id(text, "gid", rule.gid);
    add_id(text, "egid", rule.egid);
    if (rule.description) {
        const bool quoted = rule.description->find_first_of(" \t") != std::string::npos;
        text += " desc=" + (quoted ? "\"" + *rule.description + "\"" : *rule.description);
    }
    if (rule.pcr) text += " pcr=" + std::to_string(*rule.pcr);
    if (rule.action == Action::kDontMeasure) return text;
    if (rule.payload == Payload::kDigest) text += " payload=digest";
    if (rule.payload == Payload::kNone) text += " payload=none";
    if (rule.commit == Commit::kEach) text += " commit=each";
    if (rule.provenance == Provenance::kMeasured) text += " provenance=measured";
    return text;
}

std::string format(const Policy& policy) {
    std::string text;
    for (const Rule& rule : policy.rules) {
        text += "# " + escape(policy.sources[rule.origin.source].name) + ":" +
                std::to_string(rule.origin.line) + "\n";
        text += to_text(rule) + "\n";
    }
    for (const SourceSummary& source : policy.sources) {
        text += "# " + escape(source.name) + ": " + counted(source.rules, "rule");
        if (source.skipped > 0)
            text += ", " + std::to_string(source.skipped) + " for IMA's other functions skipped";
        text += "\n";
    }
    for (const Diagnostic& warning : policy.warnings)
        text += "# " + headline(warning, "warning") + "\n";
    return text;
}

}  // namespace keyscribe::policy
