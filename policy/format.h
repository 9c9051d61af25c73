// SPDX-License-Identifier: Apache-2.0
// A policy back to text.
#pragma once

#include <string>

#include "policy/rule.h"

namespace keyscribe::policy {

/// The rule in one line, without a newline and without what goes without saying. parse() makes the
/// same rule of it. Bytes of names and globs stand in it as they are: escape() it for a terminal
/// where it may not be UTF-8.
std::string to_text(const Rule& rule);

/// The whole policy as a policy file of its own: the rules, and as comments where each one stands,
/// what was skipped, and the warnings. parse() makes the same rules of it, so bytes of names and
/// globs stand in it as they are: escape() its lines for a terminal.
std::string format(const Policy& policy);

}  // namespace keyscribe::policy
