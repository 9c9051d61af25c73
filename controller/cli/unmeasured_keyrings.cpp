// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/unmeasured_keyrings.h"

#include <algorithm>
#include <sstream>

namespace keyscribe::cli {
namespace {

/// "0badcafe I------     1 perm 1f0b0000     0     0 keyring   .ima: 2"; empty: no such keyring.
std::string kernels_keyring(const std::string& line) {
    std::istringstream words(line);
    std::string word, type, name;
    for (int column = 0; column < 7; ++column) words >> word;
    words >> type >> name;
    const auto colon = name.rfind(':');
    if (type != "keyring" || !name.starts_with('.') || colon == name.npos) return {};
    return name.substr(0, colon);
}

bool measures(const policy::Policy& policy, const std::string& keyring) {
    return std::ranges::any_of(policy.rules, [&](const policy::Rule& rule) {
        return rule.action == policy::Action::kMeasure &&
               (rule.keyrings.empty() ||
                std::ranges::find(rule.keyrings, keyring) != rule.keyrings.end());
    });
}

}  // namespace

std::vector<std::string> kernels_keyrings(std::string_view keys) {
    std::vector<std::string> found;
    std::istringstream lines{std::string(keys)};
    for (std::string line; std::getline(lines, line);) {
        const std::string name = kernels_keyring(line);
        if (!name.empty() && std::ranges::find(found, name) == found.end()) found.push_back(name);
    }
    return found;
}

std::vector<std::string> unmeasured_keyrings(const std::vector<std::string>& keyrings,
                                             const policy::Policy& policy) {
    std::vector<std::string> found;
    std::ranges::copy_if(keyrings, std::back_inserter(found),
                         [&](const std::string& name) { return !measures(policy, name); });
    return found;
}

}  // namespace keyscribe::cli
