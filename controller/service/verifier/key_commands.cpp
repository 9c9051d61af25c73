// SPDX-License-Identifier: Apache-2.0
// keyscribe-verifier keys.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <set>

#include "controller/base/mapped_file.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/verifier/commands.h"
#include "controller/service/verifier/seen_keys.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

std::string key_lines(const json& key) {
    std::string text = fmt::format(
        "{}  {}\n  issued by {}, first seen {} on {}", key["fingerprint"].get<std::string>(),
        key["subject"].get<std::string>(), key["issuer"].get<std::string>(),
        key["first_seen"].get<std::string>(), key["first_host"].get<std::string>());
    if (key["hosts"].is_number())
        return text + fmt::format(", on {} hosts", key["hosts"].get<std::int64_t>());
    for (const json& host : key["hosts"]) {
        text += fmt::format("\n  {}  {}  {}  since {}", host["host"].get<std::string>(),
                            host["name"].get<std::string>(), host["keyring"].get<std::string>(),
                            host["since"].get<std::string>());
        if (host.contains("until")) text += " until " + host["until"].get<std::string>();
    }
    if (key.contains("more_hosts")) text += "\n  and more: the page of this key has all of them";
    return text;
}

/// What a person names a key by: a file with the certificate, its fingerprint, or its subject.
Result<std::vector<std::string>> texts_of(const std::string& what) {
    std::error_code code;
    if (!std::filesystem::is_regular_file(what, code)) return std::vector{what};
    const auto file = MappedFile::open(what);
    if (!file) return std::unexpected(file.error());
    const auto certificates = appraise::read_certificates(file->bytes(), what);
    if (!certificates) return std::unexpected(certificates.error());
    std::vector<std::string> digests;
    for (const appraise::FileItem& item : *certificates) {
        digests.push_back(to_hex(sha256(item.der)));
        // Of the keys that a host had before the daemon started, its kernel tells nothing more.
        if (const auto view = keyrings::view_certificate(item.der))
            digests.push_back(to_hex(sha256(view->public_key)));
    }
    return digests;
}

}  // namespace

void add_key_commands(CLI::App& app, CommandContext& context) {
    struct Options {
        std::string what, at;
        bool ever = false;
        unsigned minutes = 60;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* keys =
        app.add_subcommand("keys", "Which hosts trust which keys")->require_subcommand(1);

    CLI::App* show = keys->add_subcommand("show", "Where a key is trusted, and since when");
    show->add_option("key", options->what,
                     "a file with the certificate, a SHA-256, or a part of the subject")
        ->required();
    CLI::Option* at = show->add_option("--at", options->at, "as it was at that time");
    show->add_flag("--ever", options->ever, "also where it is trusted no more")->excludes(at);
    show->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        std::int64_t time = options->ever ? -1 : 0;
        if (!options->at.empty()) {
            const auto parsed = parse_time(options->at);
            if (!parsed) return std::unexpected(parsed.error());
            time = *parsed;
        }
        const auto texts = texts_of(options->what);
        if (!texts) return std::unexpected(texts.error());
        json found = json::array();
        std::set<std::string> fingerprints;
        for (const std::string& text : *texts) {
            auto all = find_keys(*service.database, text, time);
            if (!all) return std::unexpected(all.error());
            for (json& key : *all)
                if (fingerprints.insert(key["fingerprint"]).second) found.push_back(std::move(key));
        }
        print_all(context, found, key_lines);
        if (found.empty())
            return report_error({"no host ever had such a key", printable(options->what, 300), {}});
        return 0;
    }));

    CLI::App* fresh =
        keys->add_subcommand("new", "Keys that appeared lately, and on how many hosts");
    fresh->add_option("--minutes", options->minutes, "how far back")->capture_default_str();
    fresh->callback(with_service(context, [&context, options](Service& service) -> Result<int> {
        const auto all = new_keys(*service.database, now() - INT64_C(60) * options->minutes);
        if (!all) return std::unexpected(all.error());
        print_all(context, *all, key_lines);
        return 0;
    }));
}

}  // namespace keyscribe::verifier
