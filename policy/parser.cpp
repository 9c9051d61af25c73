// SPDX-License-Identifier: Apache-2.0
#include "policy/parser.h"

#include <algorithm>
#include <set>
#include <string>

#include "policy/lexer.h"
#include "policy/limits.h"
#include "policy/matcher.h"
#include "policy/rule_parser.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

/// One line, and all that its diagnostics need.
struct Line {
    std::string_view file;
    std::size_t number = 0;
    std::string_view text;
};

/// What is collected over all sources.
struct Collected {
    Policy policy;
    std::vector<Line> rule_lines;  // of policy.rules
    std::set<std::string> keyrings;
    std::set<std::string> key_types;
    Diagnostics diagnostics;

    // Of the source that is read:
    std::vector<std::pair<Line, Novelty>> novelties;  // the first of each kind
    bool ours = false;                                // no kernel takes it: it has words of our own
};

void add_error(Collected& collected, Diagnostic diagnostic) {
    if (collected.diagnostics.errors.size() < kMaxErrors)
        collected.diagnostics.errors.push_back(std::move(diagnostic));
    else
        collected.diagnostics.more++;
}

void add_error(Collected& collected, const Line& line, Finding finding) {
    if (collected.diagnostics.errors.size() >= kMaxErrors)
        collected.diagnostics.more++;
    else
        add_error(collected, diagnose(line.file, line.number, line.text, std::move(finding)));
}

void add_error(Collected& collected, std::string_view file, std::string message,
               std::string expected) {
    add_error(collected, {.file = std::string(file),
                          .message = std::move(message),
                          .expected = std::move(expected)});
}

/// Adds `names` to those of all rules. False: these are the first that are too many.
bool fits(std::set<std::string>& all, const std::vector<std::string>& names, std::size_t limit) {
    const bool fitted = all.size() <= limit;
    all.insert(names.begin(), names.end());
    return !fitted || all.size() <= limit;
}

void check_totals(Collected& collected, const Line& line, const RuleResult& result) {
    if (collected.policy.rules.size() == kMaxRules + 1)
        add_error(collected, line,
                  {1, "too many rules of func=KEY_CHECK in all files together",
                   "at most " + std::to_string(kMaxRules)});
    if (!fits(collected.keyrings, result.rule->keyrings, kMaxKeyrings))
        add_error(collected, line,
                  {result.keyrings_column, "too many keyrings in all rules together",
                   "at most " + std::to_string(kMaxKeyrings) + " different ones"});
    if (!fits(collected.key_types, result.rule->key_types, kMaxKeyTypes))
        add_error(collected, line,
                  {result.key_types_column, "too many key types in all rules together",
                   "at most " + std::to_string(kMaxKeyTypes) + " different ones"});
}

void parse_line(Collected& collected, const Line& line) {
    const auto words = split_words(line.text);
    if (!words) return add_error(collected, line, words.error());
    if (words->empty()) return;

    RuleResult result = parse_rule(*words, kMaxErrors - collected.diagnostics.errors.size());
    for (Finding& error : result.errors) add_error(collected, line, std::move(error));
    if (!result.errors.empty()) return;
    collected.ours = collected.ours || result.ours;
    for (Novelty& novelty : result.novelties)
        if (std::ranges::none_of(collected.novelties, [&](const auto& known) {
                return known.second.what == novelty.what;
            }))
            collected.novelties.emplace_back(line, std::move(novelty));
    SourceSummary& source = collected.policy.sources.back();
    if (!result.rule) {
        source.skipped++;
        return;
    }
    source.rules++;
    result.rule->origin = {collected.policy.sources.size() - 1, line.number};
    collected.policy.rules.push_back(*result.rule);
    collected.rule_lines.push_back(line);
    for (Finding& warning : result.warnings)
        collected.policy.warnings.push_back(
            diagnose(line.file, line.number, line.text, std::move(warning)));
    check_totals(collected, line, result);
}

/// Where IMA could read the file as well: which kernels are too old for it.
void warn_of_old_kernels(Collected& collected) {
    if (collected.ours) return;
    for (const auto& [line, novelty] : collected.novelties)
        collected.policy.warnings.push_back(
            diagnose(line.file, line.number, line.text,
                     {novelty.column,
                      "Linux before " + std::string(novelty.since) + " refuses " + novelty.what,
                      "Linux " + std::string(novelty.since) +
                          " or later, where the kernel reads this file too"}));
}

void parse_source(Collected& collected, const Source& source) {
    collected.policy.sources.push_back({.name = source.name});
    collected.novelties.clear();
    collected.ours = false;
    if (source.text.size() > kMaxSourceBytes)
        return add_error(collected, source.name, "the file is too long",
                         "at most " + std::to_string(kMaxSourceBytes) + " bytes");
    Line line{.file = source.name};
    for (const std::string_view text : split_lines(source.text)) {
        line.number++;
        line.text = text;
        if (text.ends_with('\r'))  // so do the others, most likely: once is enough
            return add_error(collected, line,
                             {text.size(), "the line ends in CR LF, as on Windows",
                              "LF alone; dos2unix(1) converts the file"});
        parse_line(collected, line);
    }
    warn_of_old_kernels(collected);
}

void warn_of_unreachable(Collected& collected) {
    Policy& policy = collected.policy;
    for (std::size_t i = 1; i < policy.rules.size(); i++) {
        const auto begin = policy.rules.begin();
        const auto end = begin + static_cast<std::ptrdiff_t>(i);
        const auto before = std::find_if(
            begin, end, [&](const Rule& rule) { return covers(rule, policy.rules[i]); });
        if (before == end) continue;
        const Line& earlier = collected.rule_lines[static_cast<std::size_t>(before - begin)];
        const Line& line = collected.rule_lines[i];
        policy.warnings.push_back(
            diagnose(line.file, line.number, line.text,
                     {1, "this rule never decides: all that it matches, the rule at " +
                             escape(earlier.file) + ":" + std::to_string(earlier.number) +
                             " matches before it"}));
    }
}

}  // namespace

std::expected<Policy, Diagnostics> parse(std::span<const Source> sources) {
    Collected collected;
    if (sources.size() > kMaxSources)
        add_error(collected, sources[kMaxSources].name, "too many files",
                  "at most " + std::to_string(kMaxSources));
    for (const Source& source : sources.first(std::min(sources.size(), kMaxSources)))
        parse_source(collected, source);
    if (!collected.diagnostics.errors.empty())
        return std::unexpected(std::move(collected.diagnostics));
    warn_of_unreachable(collected);
    return std::move(collected.policy);
}

}  // namespace keyscribe::policy
