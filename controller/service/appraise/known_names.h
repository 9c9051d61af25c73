// SPDX-License-Identifier: Apache-2.0
// Names that a kernel gives to keyrings and key types, and names that were meant to be one of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyscribe::appraise {

/// Keyrings that some kernel makes. Only a kernel can make one whose name begins with a dot.
const std::vector<std::string>& kernel_keyrings();
const std::vector<std::string>& kernel_key_types();

/// What is wrong with a name, and what was probably meant.
struct NameProblem {
    std::string what, hint;
};

/// The name (with `globs`, * and ? stand for others) can be that of no keyring: it begins with a
/// dot and is none of the kernel's; or it is one of these without its dot; or it has a blank at an
/// end. Any other name may be a user's keyring: whether a host has it only its list tells. `also`:
/// names that are known from elsewhere.
std::optional<NameProblem> keyring_problem(std::string_view name, bool globs,
                                           const std::vector<std::string>& also);

/// The same of a folder of the reference values. Since such a folder says that its keyring exists,
/// a name with a dot is wrong only where it is nearly one of the kernel's.
std::optional<NameProblem> folder_problem(std::string_view name);

/// The name is no key type of a kernel.
std::optional<NameProblem> key_type_problem(std::string_view name);

/// "did you mean 'X'?" of the candidate that takes the fewest changes; "known are: ..." where all
/// take too many.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace keyscribe::appraise
