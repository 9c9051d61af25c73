// SPDX-License-Identifier: Apache-2.0
// keyscribe keyrings: what the watched keyrings hold, worked out from the list alone, and compared
// with the kernel's own view.
#include <fmt/format.h>
#include <keyutils.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "controller/base/printable.h"
#include "controller/cli/commands.h"
#include "controller/cli/key_sources.h"
#include "controller/host/measure/journal.h"
#include "controller/host/measure/list_writer.h"
#include "controller/host/records/records.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/keyrings/certificate.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/keyrings/signers.h"
#include "controller/list/json_text.h"
#include "controller/list/policy_parts.h"
#include "controller/list/unfold.h"

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

/// The list and what it says.
struct View {
    std::vector<std::uint8_t> list;
    KeyringModel model;
    policy::Policy policy;  // the last one in the list
    std::uint64_t entries = 0;
    std::int64_t now = std::time(nullptr);
};

Result<void> read_list(const std::string& path, View& view) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return fail_errno("cannot open the list", path,
                          errno == ENOENT ? "nothing was measured since the boot"
                                          : "be root, or a member of the group keyscribe");
    view.list.assign(std::istreambuf_iterator<char>(file), {});
    return {};
}

/// Feeds the records up to the one with the sequence number `at`.
Result<void> feed_list(std::uint64_t at, View& view) {
    Result<void> outcome;
    bool done = false;
    list::PolicyParts parts;
    const auto fed =
        list::for_each_record(Bytes(view.list), [&](const list::LogicalRecord& source) {
            if (done || !outcome) return;
            auto record = list::parse_record(source.name, source.buf);
            if (!record) {
                outcome = std::unexpected(record.error());
                return;
            }
            parts.complete(*record);
            if (const auto* event = std::get_if<list::Event>(&*record)) {
                done = event->sequence > at;
                if (done) return;
            }
            view.entries = source.entry + 1;
            if (const auto* told = std::get_if<list::Policy>(&*record)) {
                auto loaded = settings::policy_of(records::copied(told->files));
                if (loaded)
                    view.policy = std::move(loaded->policy);
                else
                    outcome = std::unexpected(loaded.error());
            }
            if (outcome) outcome = view.model.apply(*record, source);
        });
    view.model.finish();
    if (!fed) return std::unexpected(fed.error());
    return outcome;
}

/// The rules that measure what happens in the keyring.
std::vector<const policy::Rule*> rules_of(const policy::Policy& policy, std::string_view keyring) {
    std::vector<const policy::Rule*> rules;
    for (const policy::Rule& rule : policy.rules)
        if (rule.action == policy::Action::kMeasure &&
            (rule.keyrings.empty() ||
             std::ranges::find(rule.keyrings, keyring) != rule.keyrings.end()))
            rules.push_back(&rule);
    return rules;
}

/// The same, and those that measure what happens in the keyrings above it, in which a search goes
/// on in this one.
std::vector<const policy::Rule*> rules_for(const View& view, KeyId keyring) {
    constexpr int kSearchDepth = 6;  // KEYRING_SEARCH_MAX_DEPTH of security/keys/keyring.c
    std::vector<const policy::Rule*> rules;
    std::set<KeyId> seen{keyring};
    std::vector<KeyId> level{keyring};
    for (int depth = 0; depth < kSearchDepth && !level.empty(); ++depth) {
        std::vector<KeyId> above;
        for (const KeyId id : level) {
            const auto own = rules_of(view.policy, view.model.key(id).description);
            rules.insert(rules.end(), own.begin(), own.end());
            for (const keyrings::LinkId link : view.model.holders(id))
                if (const KeyId holder = view.model.link(link).keyring; seen.insert(holder).second)
                    above.push_back(holder);
        }
        level = std::move(above);
    }
    return rules;
}

std::vector<KeyId> watched_keyrings(const View& view, const std::string& only) {
    std::vector<KeyId> watched;
    for (const KeyId id : view.model.keyrings()) {
        const Key& keyring = view.model.key(id);
        if (!only.empty() ? keyring.description == only || std::to_string(keyring.serial) == only
                          : !rules_for(view, id).empty())
            watched.push_back(id);
    }
    std::ranges::sort(watched, {}, [&](KeyId id) {
        return std::pair(view.model.key(id).description, view.model.key(id).serial);
    });
    return watched;
}

Bytes bytes_at(const View& view, keyrings::Extent extent) {
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
keyrings::Signers signers_of(const View& view) {
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

std::string signer_of(const View& view, const Key& key, const keyrings::Certificate& certificate,
                      keyrings::Signers& signers) {
    const auto found = signers.of(bytes_at(view, key.payload));
    if (found.empty()) return "";
    const Key& signer = view.model.key(static_cast<KeyId>(found.front()));
    const auto known = keyrings::parse_certificate(bytes_at(view, signer.payload));
    if (!known) return printable(signer.description);
    return known->sha256 == certificate.sha256 ? "itself" : known->subject;
}

/// One key as it stands in a keyring.
json describe(const View& view, keyrings::LinkId id, keyrings::Signers& signers,
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

json to_json(const View& view, const std::vector<KeyId>& keyrings, const KeySources& sources) {
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

struct Paper {
    std::size_t width = 0;  // 0: as wide as it takes
    bool colour = false;
};

Paper paper_of_stdout() {
    Paper paper;
    if (::isatty(STDOUT_FILENO) == 0) return paper;
    winsize size{};
    paper.width =
        ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    if (const char* columns = std::getenv("COLUMNS"))
        if (const long asked = std::strtol(columns, nullptr, 10); asked > 0)
            paper.width = static_cast<std::size_t>(asked);
    paper.colour = std::getenv("NO_COLOR") == nullptr;
    return paper;
}

/// UTF-8's first `columns` characters: a column each, as nothing wider is printed here.
std::size_t size_of_columns(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    for (; at < text.size(); ++at)
        if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && columns-- == 0) break;
    return at;
}

/// A line, cut to the paper's width.
void print_line(const Paper& paper, std::string text, const char* colour) {
    if (paper.width != 0 && size_of_columns(text, paper.width) < text.size()) {
        text.resize(size_of_columns(text, paper.width - 1));
        text += "…";
    }
    if (paper.colour && *colour != '\0')
        fmt::print("\x1b[{}m{}\x1b[0m\n", colour, text);
    else
        fmt::print("{}\n", text);
}

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
        line += fmt::format(" by {} (pid {}, uid {})", exe.empty() ? name_text(actor["comm"]) : exe,
                            actor["pid"].get<std::uint32_t>(), actor["uid"].get<std::uint32_t>());
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

// ---- the kernel's own view

/// The types whose keys the list tells of in this keyring; empty: all. Nothing: the policy does not
/// ask for all that changes what it holds, so there is nothing to compare.
std::optional<std::vector<std::string>> told_types(const std::vector<const policy::Rule*>& rules) {
    std::vector<std::string> types;
    for (const policy::Rule* rule : rules) {
        const bool everybody =
            !rule->uid && !rule->euid && !rule->gid && !rule->egid && !rule->description;
        if (rule->operations != policy::kAllOperations || !everybody) continue;
        if (rule->key_types.empty()) return std::vector<std::string>();
        types.insert(types.end(), rule->key_types.begin(), rule->key_types.end());
    }
    if (types.empty()) return std::nullopt;
    return types;
}

struct LiveKey {
    std::string type;
    std::string description;
};

/// Nothing: the key is gone or dead, or may not be looked at.
std::optional<LiveKey> live_key(key_serial_t serial) {
    char* text = nullptr;
    if (keyctl_describe_alloc(serial, &text) < 0) return std::nullopt;
    const std::unique_ptr<char, void (*)(void*)> owner(text, std::free);
    // type;uid;gid;perm;description, where only the last can have a semicolon
    const std::string_view line(text);
    std::size_t at = 0;
    for (int i = 0; i < 4; ++i) at = line.find(';', at) + 1;
    return LiveKey{std::string(line.substr(0, line.find(';'))), std::string(line.substr(at))};
}

class Comparison {
  public:
    explicit Comparison(const View& view) : view_(view) {}

    void compare(KeyId id) {
        const Key& keyring = view_.model.key(id);
        const auto types = told_types(rules_for(view_, id));
        if (!types) {
            note(keyring, "the policy does not ask for op=all here: not compared");
            return;
        }
        void* buffer = nullptr;
        const int size = keyctl_read_alloc(keyring.serial, &buffer);
        const std::unique_ptr<void, void (*)(void*)> owner(buffer, std::free);
        if (size < 0) {
            const bool is_dead = KeyringModel::is_dead(keyring, view_.now);
            if (errno == EACCES)
                note(keyring, "cannot look into it");
            else if (!is_dead)
                difference(keyring, std::string("the kernel says: ") + std::strerror(errno));
            return;
        }
        const auto* serials = static_cast<const key_serial_t*>(buffer);
        const std::set<std::int32_t> live(serials, serials + size / sizeof(key_serial_t));
        std::set<std::int32_t> told;
        for (const keyrings::LinkId link : view_.model.contents(id)) {
            const Key& key = view_.model.key(view_.model.link(link).key);
            told.insert(key.serial);
            if (!live.contains(key.serial) && !KeyringModel::is_dead(key, view_.now))
                difference(keyring, "the kernel does not have " +
                                        name_of(key.serial, key.type, key.description));
        }
        for (const std::int32_t serial : live)
            if (!told.contains(serial)) look_at_stranger(keyring, serial, *types);
        ++compared_;
    }

    int finish() const {
        fmt::print("{} keyrings compared, {} differences\n", compared_, differences_);
        return differences_ == 0 ? 0 : 1;
    }

  private:
    static std::string name_of(std::int32_t serial, std::string_view type,
                               std::string_view description) {
        return fmt::format("{} {} {}", serial, type, printable(description));
    }
    void note(const Key& keyring, const std::string& what) const {
        fmt::print("note: {} ({}): {}\n", printable(keyring.description), keyring.serial, what);
    }
    void difference(const Key& keyring, const std::string& what) {
        fmt::print("{} ({}): {}\n", printable(keyring.description), keyring.serial, what);
        ++differences_;
    }
    void look_at_stranger(const Key& keyring, std::int32_t serial,
                          const std::vector<std::string>& types) {
        const auto key = live_key(serial);
        if (!key) return;  // dead, or not ours to see
        if (types.empty() || std::ranges::find(types, key->type) != types.end())
            difference(keyring,
                       "the list does not have " + name_of(serial, key->type, key->description));
    }

    const View& view_;
    std::size_t compared_ = 0;
    std::size_t differences_ = 0;
};

int keyrings(const settings::Config& config, const KeyringsOptions& options) {
    View view;
    const std::string path = options.list.empty()
                                 ? (config.list.directory / measure::ListFiles::kBinary).string()
                                 : options.list;
    if (auto done = read_list(path, view); !done) return report(done.error());
    if (auto done = feed_list(options.at, view); !done) return report(done.error());
    const auto shown = watched_keyrings(view, options.keyring);
    if (!options.keyring.empty() && shown.empty())
        return report(fail("the list knows no such keyring", options.keyring,
                           "`keyscribe keyrings` shows those that it knows")
                          .error());
    if (options.verify) {
        Comparison comparison(view);
        for (const KeyId id : shown) comparison.compare(id);
        return comparison.finish();
    }
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
