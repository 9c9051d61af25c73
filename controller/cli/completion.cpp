// SPDX-License-Identifier: Apache-2.0
// keyscribe completion, which the build runs to make the files that are installed. The scripts name
// every command and option, and ask the kernel for the names of keyrings alone.
#include "controller/cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "controller/cli/commands.h"

namespace keyscribe::cli {
namespace {

/// What may stand behind an option, or as a command's argument.
enum class Value { kNone, kFile, kKeyring, kOther };

struct Argument {
    std::vector<std::string> names;  ///< "--format", "-o"
    std::string about;
    Value value = Value::kNone;
    std::string choices;  ///< with blanks between; empty: any
};

struct Command {
    std::string path;  ///< " ak create"; "" of the application itself
    std::string about;
    std::vector<std::string> commands;
    std::vector<Argument> options;
    Value positional = Value::kNone;
};

/// "TEXT:{cbor,json}", as CLI11 describes what IsMember() accepts.
std::string choices_of(const std::string& type) {
    const std::size_t open = type.find('{'), close = type.rfind('}');
    if (open == type.npos || close == type.npos || close < open) return {};
    std::string choices = type.substr(open + 1, close - open - 1);
    std::ranges::replace(choices, ',', ' ');
    return choices;
}

Value value_of(const CLI::Option& option, const std::string& name) {
    if (option.get_items_expected_max() == 0 || option.get_type_size_max() == 0)
        return Value::kNone;
    if (name == "--keyring" || name == "keyring") return Value::kKeyring;
    const std::string type = option.get_type_name();
    for (const char* number : {"UINT", "INT", "FLOAT"})
        if (type.starts_with(number)) return Value::kOther;
    // Texts that are no files' names.
    for (const char* text :
         {"--nonce", "--pcrs", "--type", "--op", "--desc", "--name", "--token", "url"})
        if (name == text) return Value::kOther;
    return Value::kFile;
}

Argument argument_of(const CLI::Option& option) {
    Argument argument{
        {}, option.get_description(), Value::kNone, choices_of(option.get_type_name())};
    for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
    for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
    argument.value = value_of(option, argument.names.front());
    return argument;
}

void add(const CLI::App& app, const std::string& path, std::vector<Command>& to) {
    Command command{path, app.get_description(), {}, {}, Value::kNone};
    for (const CLI::Option* option : app.get_options({})) {
        if (option->get_lnames().empty() && option->get_snames().empty())
            command.positional = value_of(*option, option->get_name());
        else
            command.options.push_back(argument_of(*option));
    }
    std::vector<const CLI::App*> below;
    for (const CLI::App* one : app.get_subcommands(std::function<bool(const CLI::App*)>()))
        if (!one->get_group().empty()) below.push_back(one);
    for (const CLI::App* one : below) command.commands.push_back(one->get_name());
    to.push_back(std::move(command));
    for (const CLI::App* one : below) add(*one, path + ' ' + one->get_name(), to);
}

/// In single quotes, for each of the three shells.
std::string single_quoted(std::string_view text) {
    std::string made = "'";
    for (const char letter : text)
        made += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    return made + '\'';
}

std::string in_one_line(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

constexpr std::string_view kKeyrings =
    R"(awk '$8 == "keyring" { sub(/:$/, "", $9); print $9 }' /proc/keys 2>/dev/null)";

/// The commands below each, as a case that walks the words: "| ak create" goes on.
std::string paths(const std::vector<Command>& commands) {
    std::string text;
    for (const Command& command : commands)
        if (!command.path.empty())
            text += (text.empty() ? "" : " | ") + single_quoted(command.path);
    return text;
}

/// What bash and zsh do alike: `path` is the command so far, then what stands before the cursor
/// decides. `reply` is the line that offers words, `files` the one that offers files.
/// `quotes`: stand around the words, where the shell splits them itself.
std::string cases(const std::vector<Command>& commands, std::string_view reply,
                  std::string_view files, bool quotes) {
    const auto words_of = [&](const std::string& words) {
        return quotes ? single_quoted(words) : words;
    };
    std::string text = "    case \"$path|$previous\" in\n";
    const auto offer = [&](Value value, const std::string& choices) {
        if (!choices.empty()) return fmt::format(fmt::runtime(reply), words_of(choices));
        if (value == Value::kFile) return std::string(files);
        if (value == Value::kKeyring)
            return fmt::format(fmt::runtime(reply), quotes ? fmt::format("\"$({})\"", kKeyrings)
                                                           : fmt::format("$({})", kKeyrings));
        return std::string(":");
    };
    for (const Command& command : commands)
        for (const Argument& option : command.options) {
            if (option.value == Value::kNone) continue;
            std::string pattern;
            for (const std::string& name : option.names)
                pattern +=
                    (pattern.empty() ? "" : " | ") + single_quoted(command.path + '|' + name);
            text += fmt::format("    {}) {}; return ;;\n", pattern,
                                offer(option.value, option.choices));
        }
    text += "    esac\n    case \"$path\" in\n";
    for (const Command& command : commands) {
        std::vector<std::string> words = command.commands;
        for (const Argument& option : command.options)
            words.insert(words.end(), option.names.begin(), option.names.end());
        text += fmt::format("    {})\n        {}\n", single_quoted(command.path),
                            fmt::format(fmt::runtime(reply), words_of(in_one_line(words))));
        if (command.positional != Value::kNone)
            text += fmt::format("        {}\n", offer(command.positional, {}));
        text += "        ;;\n";
    }
    return text + "    esac\n";
}

std::string bash(const std::vector<Command>& commands) {
    return fmt::format(
        R"(# bash completion for keyscribe; made by `keyscribe completion bash`
_keyscribe() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} path='' i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${{COMP_WORDS[i]}}" in
        {}) path+=" ${{COMP_WORDS[i]}}" ;;
        esac
    done
{}}}
complete -o filenames -F _keyscribe keyscribe
)",
        paths(commands),
        cases(commands,
              "mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -W {} -- \"$word\")",
              "mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$word\")", true));
}

std::string zsh(const std::vector<Command>& commands) {
    return fmt::format(R"(#compdef keyscribe
# zsh completion for keyscribe; made by `keyscribe completion zsh`
_keyscribe() {{
    local previous=$words[CURRENT-1] path='' i
    for ((i = 2; i < CURRENT; i++)); do
        case "$path $words[i]" in
        {}) path+=" $words[i]" ;;
        esac
    done
{}}}
_keyscribe "$@"
)",
                       paths(commands), cases(commands, "compadd -- {}", "_files", false));
}

std::string fish(const std::vector<Command>& commands) {
    std::string text = "# fish completion for keyscribe; made by `keyscribe completion fish`\n";
    text += "function __keyscribe_at\n    set -l path ''\n";
    text += "    for word in (commandline -opc)[2..-1]\n        switch \"$path $word\"\n";
    text += "            case";
    for (const Command& command : commands)
        if (!command.path.empty()) text += ' ' + single_quoted(command.path);
    text += "\n                set path \"$path $word\"\n        end\n    end\n";
    text += "    test \"$path\" = \"$argv[1]\"\nend\ncomplete -c keyscribe -f\n";
    for (const Command& command : commands) {
        const std::string at = fmt::format(
            "complete -c keyscribe -n {}",
            single_quoted(fmt::format("__keyscribe_at {}", single_quoted(command.path))));
        for (const std::string& name : command.commands) {
            const auto below =
                std::ranges::find(commands, command.path + ' ' + name, &Command::path);
            text += fmt::format("{} -a {} -d {}\n", at, name, single_quoted(below->about));
        }
        for (const Argument& option : command.options) {
            text += at;
            for (const std::string& name : option.names)
                text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            if (!option.choices.empty())
                text += " -x -a " + single_quoted(option.choices);
            else if (option.value == Value::kKeyring)
                text += " -x -a " + single_quoted('(' + std::string(kKeyrings) + ')');
            else if (option.value == Value::kFile)
                text += " -r -F";
            else if (option.value == Value::kOther)
                text += " -x";
            text += " -d " + single_quoted(option.about) + '\n';
        }
        if (command.positional == Value::kKeyring)
            text += at + " -a " + single_quoted('(' + std::string(kKeyrings) + ')') + '\n';
        else if (command.positional == Value::kFile)
            text += at + " -F\n";
    }
    return text;
}

}  // namespace

std::string completion_for(const CLI::App& app, std::string_view shell) {
    std::vector<Command> commands;
    add(app, {}, commands);
    if (shell == "bash") return bash(commands);
    if (shell == "zsh") return zsh(commands);
    if (shell == "fish") return fish(commands);
    return {};
}

void add_completion(CLI::App& app) {
    CLI::App* command = app.add_subcommand("completion", "What a shell completes, as its script");
    const auto shell = std::make_shared<std::string>();
    command->add_option("shell", *shell, "bash, zsh, fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&app, shell] { fmt::print("{}", completion_for(app, *shell)); });
}

}  // namespace keyscribe::cli
