// SPDX-License-Identifier: Apache-2.0
// The manual pages and the programs know the same commands and options. That the pages of the two
// settings' files have every setting is config_test.cpp's and appraisal_policy_test.cpp's: they
// include the files.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

namespace keyscribe {
namespace manual_test {

using Names = std::set<std::string>;

const std::filesystem::path kPages = FIXTURES "/../../controller/man";

std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::string text;
    char buffer[4096];
    while (const std::size_t count = std::fread(buffer, 1, sizeof(buffer), pipe.get()))
        text.append(buffer, count);
    return text;
}

std::string page(const std::string& name) {
    std::ifstream file(kPages / (name + ".md"));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

Names all(const std::string& text, const std::string& expression) {
    const std::regex regex(expression);
    Names found;
    for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at)
        found.insert((*at)[1]);
    return found;
}

/// The names in the help's part `title`, where each stands at the beginning of a line, after two
/// blanks.
Names in_help(const std::string& help, const std::string& title, const std::string& expression) {
    const auto from = help.find(title + ":\n");
    if (from == help.npos) return {};
    const auto to = help.find("\n\n", from);
    return all(help.substr(from, to - from), expression);
}

Names commands_of(const std::string& command) {
    return in_help(output_of(command + " --help"), "Subcommands", "\n  ([a-z][a-z-]*)");
}

/// Its options and those of its own commands.
Names options_of(const std::string& command) {
    Names found =
        in_help(output_of(command + " --help"), "Options", "\n  (?:-[a-z],)?--([a-z0-9-]+)");
    for (const std::string& one : commands_of(command))
        found.merge(options_of(command + ' ' + one));
    found.erase("help");
    return found;
}

/// Those that the page explains: in the lines above a ": ".
Names options_in(const std::string& text) {
    Names found;
    std::stringstream lines(text);
    std::string term;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(": ")) {
            found.merge(all(term, "--([a-z0-9-]+)"));
            term.clear();
        } else if (line.empty() || line.starts_with("**")) {
            term += line + '\n';
        } else {
            term.clear();
        }
    }
    found.erase("help");
    return found;
}

TEST(Manual, EachCommandHasAPageWithItsOptions) {
    const Names commands = commands_of(KEYSCRIBE);
    EXPECT_GE(commands.size(), 13u);
    for (const std::string& command : commands) {
        const bool shared = command == "reload" || command == "wait";
        const std::string text = page("keyscribe-" + (shared ? "status" : command) + ".1");
        ASSERT_FALSE(text.empty()) << "controller/man has no page of keyscribe " << command;
        EXPECT_TRUE(text.contains("**keyscribe " + command)) << command;
        for (const std::string& one : commands_of(KEYSCRIBE " " + command))
            EXPECT_TRUE(text.contains("**" + one + "**") ||
                        text.contains("**keyscribe " + command + ' ' + one + "**"))
                << command << ' ' << one;
        const Names own = options_of(KEYSCRIBE " " + command), told = options_in(text);
        for (const std::string& option : own)
            EXPECT_TRUE(told.contains(option)) << command << " --" << option << " is in no page";
        if (shared || command == "status") continue;  // three commands in one page
        for (const std::string& option : told)
            EXPECT_TRUE(own.contains(option)) << "keyscribe " << command << " has no --" << option;
    }
    for (const std::string& command : commands)
        EXPECT_TRUE(page("keyscribe.1").contains("**" + command + "**")) << command;
}

TEST(Manual, TheVerifiersPageHasItsCommandsAndOptions) {
    const std::string text = page("keyscribe-verifier.1");
    const Names commands = commands_of(KEYSCRIBE_VERIFIER);
    EXPECT_GE(commands.size(), 7u);
    for (const std::string& command : commands) {
        EXPECT_TRUE(text.contains("**" + command + "**")) << command;
        for (const std::string& one : commands_of(KEYSCRIBE_VERIFIER " " + command))
            EXPECT_TRUE(text.contains("**" + command + "** **" + one + "**"))
                << command << ' ' << one;
    }
    EXPECT_EQ(options_of(KEYSCRIBE_VERIFIER), options_in(text));
}

TEST(Manual, EachPageHasItsNameFirst) {
    for (const auto& entry : std::filesystem::directory_iterator(kPages)) {
        if (entry.path().extension() != ".md") continue;
        const std::string name = entry.path().stem().stem().string();
        const std::string text = page(entry.path().stem().string());
        EXPECT_TRUE(text.starts_with("# NAME\n\n" + name)) << entry.path();
        for (const std::string& file : all(text, "\n<!-- include (.*) -->\n"))
            EXPECT_TRUE(std::filesystem::exists(kPages / "../.." / file)) << entry.path() << file;
    }
}

}  // namespace manual_test
}  // namespace keyscribe
