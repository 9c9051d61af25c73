// SPDX-License-Identifier: Apache-2.0
// What a shell completes, by the commands and options that the application has.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace keyscribe::cli {

/// A script for "bash", "zsh" or "fish"; empty: another shell.
std::string completion_for(const CLI::App& app, std::string_view shell);

}  // namespace keyscribe::cli
