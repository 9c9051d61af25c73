// SPDX-License-Identifier: Apache-2.0
#include "controller/host/settings/policy_loader.h"

#include <algorithm>
#include <fstream>

#include "controller/host/measure/list_writer.h"
#include "controller/list/list_reader.h"
#include "controller/list/unfold.h"
#include "policy/limits.h"
#include "policy/parser.h"

namespace keyscribe::settings {
namespace {

Result<std::string> read_policy_file(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return fail_errno("cannot read the policy", file.string());
    // One byte more than allowed, so that the parser sees that it is too much.
    std::string text(policy::kMaxSourceBytes + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (stream.bad()) return fail_errno("cannot read the policy", file.string());
    text.resize(static_cast<std::size_t>(stream.gcount()));
    return text;
}

Result<LoadedPolicy> parse(std::vector<records::PolicyFile> files,
                           const std::vector<policy::Source>& sources) {
    auto parsed = policy::parse(sources);
    if (!parsed)
        return fail("the policy is refused, nothing was changed\n" +
                    policy::to_string(parsed.error()));
    return LoadedPolicy{.files = std::move(files), .policy = std::move(*parsed)};
}

/// Those that there are, in the directory's order.
std::vector<std::filesystem::path> policy_files_in(const std::filesystem::path& directory,
                                                   std::error_code& error) {
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator each(directory, error), end; !error && each != end;
         each.increment(error))
        if (each->path().extension() == ".policy") files.push_back(each->path());
    return files;
}

}  // namespace

bool has_policy_file(const std::filesystem::path& directory) {
    std::error_code error;
    return !policy_files_in(directory, error).empty();
}

Result<LoadedPolicy> policy_of(std::vector<records::PolicyFile> files) {
    std::vector<policy::Source> sources;
    for (const records::PolicyFile& file : files) sources.push_back({file.name, file.text});
    return parse(std::move(files), sources);
}

Result<LoadedPolicy> load_policy_files(const std::vector<std::filesystem::path>& files) {
    std::vector<records::PolicyFile> read;
    std::vector<policy::Source> sources;
    for (const auto& file : files) {
        auto text = read_policy_file(file);
        if (!text) return std::unexpected(text.error());
        sources.push_back({file.string(), *text});
        read.push_back({file.filename().string(), std::move(*text)});
    }
    return parse(std::move(read), sources);
}

Result<std::optional<LoadedPolicy>> load_policy(const std::filesystem::path& directory) {
    std::error_code error;
    auto files = policy_files_in(directory, error);
    if (error && error != std::errc::no_such_file_or_directory)
        return fail("cannot read the policy directory: " + error.message(), directory.string());
    if (files.empty()) return std::nullopt;
    std::ranges::sort(files);
    auto loaded = load_policy_files(files);
    if (!loaded) return std::unexpected(loaded.error());
    return std::move(*loaded);
}

std::shared_ptr<const LoadedPolicy> last_policy(const std::filesystem::path& directory) {
    auto files = measure::ListFiles::open(directory);
    if (!files) return nullptr;
    const auto list = files->read();
    if (!list) return nullptr;
    std::shared_ptr<const LoadedPolicy> last;
    list::ListReader reader(*list);
    std::vector<list::PolicyFile> files_told;
    bool told = false;
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        auto records = list::Unfolded::of(**entry, 0);
        if (!records) continue;
        while (const auto one = records->next())
            if (list::record_kind(one->name) == "policy") {
                auto record = list::parse_record(one->name, one->buf);
                told = record.has_value();
                if (told) files_told = std::get<list::Policy>(std::move(*record)).files;
            }
    }
    if (!told) return nullptr;
    auto loaded = policy_of(records::copied(files_told));
    return loaded ? std::make_shared<const LoadedPolicy>(std::move(*loaded)) : nullptr;
}

Result<void> check_policy_pcrs(const LoadedPolicy& loaded, bool force) {
    for (const policy::Rule& rule : loaded.policy.rules) {
        if (!rule.pcr) continue;
        if (auto checked = tpm::check_pcr(*rule.pcr, force); !checked) {
            checked.error().where = loaded.policy.sources[rule.origin.source].name + ':' +
                                    std::to_string(rule.origin.line) + ": " + checked.error().where;
            return checked;
        }
    }
    return {};
}

}  // namespace keyscribe::settings
