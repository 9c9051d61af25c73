// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/keyring_view.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>

#include "controller/host/records/records.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/list/policy_parts.h"
#include "controller/list/unfold.h"

namespace keyscribe::cli {
namespace {

using keyrings::Key;
using keyrings::KeyId;

Result<void> read_list(const std::string& path, KeyringView& view) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return fail_errno("cannot open the list", path,
                          errno == ENOENT ? "nothing was measured since the boot"
                                          : "be root, or a member of the group keyscribe");
    file.peek();  // of a folder there is nothing to read, and the iterator would throw
    if (file.bad()) return fail_errno("cannot read the list", path);
    view.list.assign(std::istreambuf_iterator<char>(file), {});
    return {};
}

/// Feeds the records up to the one with the sequence number `at`.
Result<void> feed_list(std::uint64_t at, KeyringView& view) {
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

}  // namespace

Result<void> read_view(const std::string& path, std::uint64_t at, KeyringView& view) {
    if (auto done = read_list(path, view); !done) return done;
    return feed_list(at, view);
}

std::vector<const policy::Rule*> rules_for(const KeyringView& view, KeyId keyring) {
    // KEYRING_SEARCH_MAX_DEPTH of security/keys/keyring.c: levels below the one that is searched.
    constexpr int kSearchDepth = 6;
    std::vector<const policy::Rule*> rules;
    std::set<KeyId> seen{keyring};
    std::vector<KeyId> level{keyring};
    for (int depth = 0; depth <= kSearchDepth && !level.empty(); ++depth) {
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

std::vector<KeyId> watched_keyrings(const KeyringView& view, const std::string& only) {
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

}  // namespace keyscribe::cli
