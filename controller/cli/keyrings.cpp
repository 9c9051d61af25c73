// SPDX-License-Identifier: Apache-2.0
// keyscribe keyrings: what the watched keyrings hold, worked out from the list alone, and compared
// with the kernel's own view.
#include <fmt/format.h>

#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "controller/base/printable.h"
#include "controller/cli/commands.h"
#include "controller/cli/kernel_comparison.h"
#include "controller/cli/key_sources.h"
#include "controller/cli/keyring_view.h"
#include "controller/cli/paper.h"
#include "controller/cli/record_line.h"
#include "controller/host/measure/journal.h"
#include "controller/host/measure/list_writer.h"
#include "controller/keyrings/certificate.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/keyrings/signers.h"
#include "controller/list/json_text.h"

namespace keyscribe::cli {
namespace {

using keyrings::Key;
using keyrings::KeyId;
using keyrings::KeyringModel;
using nlohmann::json;

struct KeyringsOptions {
    std::string keyring;
    std::string list;
    std::uint64_t at = UINT64_MAX;
    bool as_json = false;
    bool verify = false;
};

Bytes bytes_at(const KeyringView& view, keyrings::Extent extent) {
    return Bytes(view.list).subspan(extent.offset, extent.size);
}

std::vector<std::string> marks_of(const Key& key, std::int64_t now) {
    std::vector<std::string> marks;
    if (key.marks & list::kRevoked) marks.emplace_back("revoked");
    if (key.marks & list::kInvalidated) marks.emplace_back("invalidated");
    if (KeyringModel::is_expired(key, now)) marks.emplace_back("expired");
    if (key.marks & list::kNegative) marks.emplace_back("negative");
    if (!key.withheld.empty()) marks.push_back("not measured: " + std::string(key.withheld));
    return marks;
}

std::string day(std::int64_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    char text[32];
    ::gmtime_r(&time, &parts);
    std::strftime(text, sizeof(text), "%Y-%m-%d", &parts);
    return text;
}

/// The keys that stand, as signers: each once, by its place in the model.
keyrings::Signers signers_of(const KeyringView& view) {
    constexpr std::size_t kVerifications = 100'000;
    keyrings::Signers signers(kVerifications);
    std::set<Sha256> seen;
    for (const KeyId keyring : view.model.keyrings())
        for (const keyrings::LinkId link : view.model.contents(keyring)) {
            const KeyId id = view.model.link(link).key;
            const Key& key = view.model.key(id);
            const Bytes payload = bytes_at(view, key.payload),
                        bits = bytes_at(view, key.public_key);
            if (!seen.insert(sha256(payload.empty() ? bits : payload)).second) continue;
            if (!payload.empty())
                signers.add_certificate(id, payload);
            else if (!bits.empty())
                // Of keys that were there before the daemon the list has no certificate.
                signers.add_key(id, std::string_view(key.algorithm), bits);
        }
    return signers;
}

std::string signer_of(const KeyringView& view, const Key& key,
                      const keyrings::Certificate& certificate, keyrings::Signers& signers) {
    const auto found = signers.of(bytes_at(view, key.payload));
    if (found.empty()) return "";
    const Key& signer = view.model.key(static_cast<KeyId>(found.front()));
    const auto known = keyrings::parse_certificate(bytes_at(view, signer.payload));
    if (!known) return printable(signer.description);
    return known->sha256 == certificate.sha256 ? "itself" : known->subject;
}

/// One key as it stands in a keyring.
json describe(const KeyringView& view, keyrings::LinkId id, keyrings::Signers& signers,
              const KeySources& sources) {
    const keyrings::Link& link = view.model.link(id);
    const Key& key = view.model.key(link.key);
    json fields = {{"serial", key.serial},
                   {"type", std::string(std::string_view(key.type))},
                   {"description", measure::kernel_string(key.description)},
                   {"uid", key.uid},
                   {"gid", key.gid},
                   {"perm", fmt::format("{:08x}", key.perm)},
                   {"marks", marks_of(key, view.now)},
                   {"source", sources.line(view.model, id, bytes_at(view, key.payload))},
                   {"since",
                    {{"entry", link.since.entry},
                     {"seq", link.sequence},
                     {"boot_time_ns", link.time},
                     {"how", list::name_of(link.how)}}}};
    if (key.expiry != 0) fields["expiry"] = key.expiry;
    if (key.sha256) fields["sha256"] = to_hex(*key.sha256);
    if (key.fingerprint) fields["fingerprint"] = to_hex(*key.fingerprint);
    if (!key.algorithm.empty()) fields["algorithm"] = std::string(std::string_view(key.algorithm));
    if (link.actor)
        fields["actor"] = {{"pid", link.actor->pid},
                           {"uid", link.actor->uid},
                           {"comm", measure::kernel_string(link.actor->comm)},
                           {"exe", measure::kernel_string(link.actor->exe)},
                           {"kind", link.actor->kind}};
    if (key.payload.size == 0) return fields;
    const auto certificate = keyrings::parse_certificate(bytes_at(view, key.payload));
    if (!certificate) return fields;
    fields["fingerprint"] = to_hex(certificate->fingerprint);
    fields["algorithm"] = certificate->algorithm;
    fields["subject"] = certificate->subject;
    fields["issuer"] = certificate->issuer;
    fields["not_before"] = certificate->not_before;
    fields["not_after"] = certificate->not_after;
    if (const std::string signer = signer_of(view, key, *certificate, signers); !signer.empty())
        fields["signer"] = signer;
    return fields;
}

json to_json(const KeyringView& view, const std::vector<KeyId>& keyrings,
             const KeySources& sources) {
    keyrings::Signers signers = signers_of(view);
    json list = json::array();
    for (const KeyId id : keyrings) {
        const Key& keyring = view.model.key(id);
        json keys = json::array();
        for (const keyrings::LinkId link : view.model.contents(id))
            keys.push_back(describe(view, link, signers, sources));
        list.push_back({{"serial", keyring.serial},
                        {"name", measure::kernel_string(keyring.description)},
                        {"marks", marks_of(keyring, view.now)},
                        {"keys", keys}});
        if (keyring.restriction) list.back()["restriction"] = *keyring.restriction;
    }
    return {{"entries", view.entries}, {"keyrings", list}};
}

// ---- for people

std::string name_text(const json& value) {
    return value.is_string() ? printable(value.get<std::string>())
                             : value.value("hex", std::string());
}

void print_key(const Paper& paper, const json& key, bool last) {
    const std::string stem = last ? "    " : "│   ";
    std::string marks;
    for (const json& mark : key["marks"]) marks += " [" + mark.get<std::string>() + ']';
    print_line(
        paper,
        fmt::format("{}{} {}: {}{}", last ? "└── " : "├── ", key["serial"].get<std::int32_t>(),
                    name_text(key["type"]), name_text(key["description"]), marks),
        marks.empty() ? "" : "31");
    if (key.contains("fingerprint"))
        print_line(paper, stem + "  key " + key["fingerprint"].get<std::string>(), "2");
    if (key.contains("subject")) {
        print_line(paper, stem + "  subject " + key["subject"].get<std::string>(), "2");
        print_line(paper,
                   stem + "  issuer " + key["issuer"].get<std::string>() +
                       (key.contains("signer") ? ", signed by " + key["signer"].get<std::string>()
                                               : ", whose key is not in the list"),
                   "2");
        print_line(
            paper,
            fmt::format("{}  valid {} to {}", stem, day(key["not_before"]), day(key["not_after"])),
            "2");
    }
    const json& since = key["since"];
    std::string line =
        fmt::format("{}  {} at entry {}, {:.3f} s after boot", stem,
                    since["how"].get<std::string>(), since["entry"].get<std::uint32_t>(),
                    static_cast<double>(since["boot_time_ns"].get<std::uint64_t>()) / 1e9);
    if (key.contains("actor")) {
        const json& actor = key["actor"];
        const std::string exe = name_text(actor["exe"]);
        line += " by " + actor_text(exe.empty() ? name_text(actor["comm"]) : exe,
                                    actor["pid"].get<std::uint32_t>(),
                                    actor["uid"].get<std::uint32_t>());
    }
    print_line(paper, line, "2");
    print_line(paper, stem + "  from " + key["source"].get<std::string>(), "2");
}

void print_tree(const json& view) {
    const Paper paper = paper_of_stdout();
    for (const json& keyring : view["keyrings"]) {
        std::string marks;
        for (const json& mark : keyring["marks"]) marks += " [" + mark.get<std::string>() + ']';
        print_line(
            paper,
            fmt::format("{} ({}), {} keys{}", name_text(keyring["name"]),
                        keyring["serial"].get<std::int32_t>(), keyring["keys"].size(), marks),
            "1;34");
        for (std::size_t i = 0; i < keyring["keys"].size(); ++i)
            print_key(paper, keyring["keys"][i], i + 1 == keyring["keys"].size());
    }
}

int keyrings(const settings::Config& config, const KeyringsOptions& options) {
    KeyringView view;
    const std::string path = options.list.empty()
                                 ? (config.list.directory / measure::ListFiles::kBinary).string()
                                 : options.list;
    if (auto done = read_view(path, options.at, view); !done) return report(done.error());
    const auto shown = watched_keyrings(view, options.keyring);
    if (!options.keyring.empty() && shown.empty())
        return report(fail("the list knows no such keyring", options.keyring,
                           "`keyscribe keyrings` shows those that it knows")
                          .error());
    if (options.verify) return agrees_with_kernel(view, shown) ? 0 : 1;
    // Another list can be of another host.
    const json all =
        to_json(view, shown, options.list.empty() ? KeySources::of_this_host() : KeySources());
    if (options.as_json)
        fmt::print("{}\n", list::json_text(all, 2));
    else
        print_tree(all);
    return 0;
}

}  // namespace

void add_keyrings(CLI::App& app, Context& context) {
    CLI::App* command =
        app.add_subcommand("keyrings", "What the watched keyrings hold, by the list alone");
    const auto options = std::make_shared<KeyringsOptions>();
    command->add_option("keyring", options->keyring, "one keyring: its name or serial");
    command->add_option("--list", options->list, "another list than this boot's");
    command->add_option("--at", options->at,
                        "as it stood after the event with this sequence number");
    command->add_flag("--json", options->as_json, "for programs");
    command->add_flag("--verify", options->verify,
                      "compare with the kernel; exit 1 where they differ");
    command->callback(with_config(
        context, [options](const settings::Config& config) { return keyrings(config, *options); }));
}

}  // namespace keyscribe::cli
