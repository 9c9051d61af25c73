// SPDX-License-Identifier: Apache-2.0
// Any bytes as one or two policy files, parted by the first byte 0xff.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "policy/explain.h"
#include "policy/filter_compiler.h"
#include "policy/format.h"
#include "policy/lexer.h"
#include "policy/limits.h"
#include "policy/parser.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace policy_parser_fuzz {

using namespace keyscribe::policy;

void require(bool condition) {
    if (!condition) std::abort();
}

/// The alias and its meaning differ in length, so that a line near the limit can outgrow it.
bool outgrown(std::string_view text) {
    return std::ranges::any_of(split_lines(text),
                               [](std::string_view line) { return line.size() > kMaxLineBytes; });
}

void check_round_trip(const Policy& policy) {
    const Source formatted{"formatted", format(policy)};
    if (outgrown(formatted.text) || formatted.text.size() > kMaxSourceBytes) return;
    const auto again = parse({&formatted, 1});
    require(again.has_value());
    require(again->rules.size() == policy.rules.size());
    for (std::size_t i = 0; i < policy.rules.size(); i++) {
        Rule rule = again->rules[i];
        rule.origin = policy.rules[i].origin;
        require(rule == policy.rules[i]);
    }
}

void check_filter(const Policy& policy) {
    const auto image = compile(policy, 1);
    if (!image) return;
    require((*image)->rules == policy.rules.size());
}

/// A name out of a rule's list; an empty list stands for every name.
std::string_view some_name(const std::vector<std::string>& names) {
    return names.empty() ? std::string_view("name") : std::string_view(names.front());
}

void check_decision(const Policy& policy) {
    for (const Rule& rule : policy.rules) {
        const Subject subject{
            .keyring = some_name(rule.keyrings),
            .key_type = some_name(rule.key_types),
            .description = rule.description ? std::string_view(*rule.description) : "name",
            .uid = id_range(rule.uid).low};
        require(explain(policy, subject).decided_by == decide(policy, subject));
    }
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::size_t end = bytes.find('\xff');
    std::vector<Source> sources{{"a.policy", std::string(bytes.substr(0, end))}};
    if (end != std::string_view::npos)
        sources.push_back({"b.policy", std::string(bytes.substr(end + 1))});

    const auto policy = parse(sources);
    if (!policy) {
        require(!policy.error().errors.empty() && policy.error().errors.size() <= kMaxErrors);
        require(!to_string(policy.error()).empty());
        return;
    }
    check_round_trip(*policy);
    check_filter(*policy);
    check_decision(*policy);
}

const testing::Fuzzer kFuzzer("policy_parser_fuzz", fuzz);

}  // namespace policy_parser_fuzz
}  // namespace keyscribe
