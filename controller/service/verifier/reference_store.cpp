// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/reference_store.h"

#include <soci/soci.h>

#include <algorithm>
#include <set>

#include "controller/base/base64.h"
#include "controller/service/verifier/changes.h"

namespace keyscribe::verifier {
namespace {

void soonest(std::int64_t& until, std::int64_t time, std::int64_t candidate) {
    if (candidate > time) until = std::min(until, candidate);
}

Result<void> put(GroupBasis& made, const ReferenceFile& file) {
    const std::string_view text = as_text(file.content);
    if (file.kind == "reference")
        return made.basis.references.add(file.content, file.name, file.keyring);
    const auto take = [](auto parsed, auto& to) -> Result<void> {
        if (!parsed) return std::unexpected(parsed.error());
        to = std::move(*parsed);
        return {};
    };
    if (file.kind == "policy")
        return take(appraise::parse_policy(text, file.name), made.basis.policy);
    if (file.kind == "blocked-keys")
        return take(appraise::BlockedKeys::parse(text, file.name), made.basis.blocked_keys);
    if (file.kind == "blocked-files")
        return take(appraise::BlockedFiles::parse(text, file.name), made.basis.blocked_files);
    return fail("no such kind of reference: " + file.kind, file.name);
}

constexpr std::size_t kLongestGroup = 64;

/// What its content does not show.
Result<void> check(const ReferenceFile& file) {
    constexpr std::string_view kKinds[] = {"reference", "policy", "blocked-keys", "blocked-files"};
    if (std::ranges::find(kKinds, file.kind) == std::end(kKinds))
        return fail("no such kind of reference: " + file.kind, file.name);
    if (file.group.empty() || file.group.size() > kLongestGroup)
        return fail("a group's name has 1 to 64 bytes", file.name);
    if (file.from < 0 || file.until > kNever || file.until <= file.from)
        return fail("it must be in force for some time: until is later than from", file.name);
    return {};
}

void raise_epoch(soci::session& session) {
    session << "update meta set value = value + 1 where name = 'basis_epoch'";
}

}  // namespace

nlohmann::json to_json(const ReferenceFile& file) {
    return {{"id", file.id},
            {"group", file.group},
            {"kind", file.kind},
            {"name", file.name},
            {"keyring", file.keyring},
            {"from", time_text(file.from)},
            {"until", time_text(file.until)},
            {"who", file.who},
            {"why", file.why},
            {"added", time_text(file.added)},
            {"bytes", file.content.size()},
            {"sha256", to_hex(sha256(file.content))}};
}

Result<GroupBasis> make_basis(std::vector<ReferenceFile> files, std::int64_t time) {
    GroupBasis made{.until = kNever};
    // Of a policy or a list of blocked keys there is one: the last that was added.
    std::ranges::sort(files, [](const ReferenceFile& left, const ReferenceFile& right) {
        return std::tie(left.added, left.id) < std::tie(right.added, right.id);
    });
    std::string all;
    for (ReferenceFile& file : files) {
        soonest(made.until, time, file.from);
        soonest(made.until, time, file.until);
        if (file.from > time || file.until <= time) continue;
        if (auto done = put(made, file); !done) return std::unexpected(done.error());
        // A policy requires reference values by their names.
        for (const std::string& part : {file.kind, file.keyring, file.name})
            all += std::to_string(part.size()) + ' ' + part + ' ';
        all += to_hex(sha256(file.content)) + '\n';
        made.files.push_back(std::move(file));
    }
    auto basis = appraise::complete(std::move(made.basis));
    if (!basis) return std::unexpected(basis.error());
    made.basis = std::move(*basis);
    for (const appraise::Reference& reference : made.basis.references.all()) {
        soonest(made.until, time, reference.view.not_before);
        soonest(made.until, time, reference.view.not_after + 1);
    }
    made.id = to_hex(sha256(as_bytes(all)));
    return made;
}

Result<std::int64_t> ReferenceStore::epoch() {
    long long value = 0;
    const auto done = database_.look([&](soci::session& session) -> Result<void> {
        session << "select value from meta where name = 'basis_epoch'", soci::into(value);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return value;
}

Result<BasisPtr> ReferenceStore::basis(const std::string& group, std::int64_t epoch,
                                       std::int64_t time) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = kept_.find(group);
        if (found != kept_.end() && found->second->epoch >= epoch && time < found->second->until)
            return found->second;
    }
    // The epoch first: what is added meanwhile raises it, and the next visit reads again.
    const auto before = this->epoch();
    if (!before) return std::unexpected(before.error());
    auto read = files(group);
    if (!read) return std::unexpected(read.error());
    auto made = make_basis(std::move(*read), time);
    if (!made) return std::unexpected(made.error());
    made->epoch = *before;
    auto shared = std::make_shared<const GroupBasis>(std::move(*made));
    const std::lock_guard lock(mutex_);
    kept_[group] = shared;
    return shared;
}

Result<void> ReferenceStore::add(const std::vector<ReferenceFile>& files) {
    std::set<std::string> groups;
    for (const ReferenceFile& file : files) {
        if (auto good = check(file); !good) return good;
        groups.insert(file.group);
    }
    for (const std::string& group : groups) {
        auto all = this->files(group);
        if (!all) return std::unexpected(all.error());
        // As if all of them were in force: what is wrong is told now, not at midnight.
        for (const ReferenceFile& file : files)
            if (file.group == group) all->push_back(file), all->back().from = 0;
        if (auto made = make_basis(std::move(*all), now()); !made)
            return std::unexpected(made.error());
    }
    return database_.write([&](soci::session& session) -> Result<void> {
        for (const ReferenceFile& file : files) {
            const std::string content = to_base64(file.content);
            const long long from = file.from, until = file.until, added = file.added;
            session << "insert into reference_files (tenant, id, grp, kind, name, keyring, "
                       "valid_from, valid_until, who, added, why, content) values (:tenant, :id, "
                       ":grp, :kind, :name, :keyring, :from, :until, :who, :added, :why, :content)",
                soci::use(kTenant), soci::use(file.id), soci::use(file.group), soci::use(file.kind),
                soci::use(file.name), soci::use(file.keyring), soci::use(from), soci::use(until),
                soci::use(file.who), soci::use(added), soci::use(file.why), soci::use(content);
        }
        raise_epoch(session);
        return {};
    });
}

Result<bool> ReferenceStore::remove(const std::string& id) {
    const auto all = files("");
    if (!all) return std::unexpected(all.error());
    const auto found = std::ranges::find(*all, id, &ReferenceFile::id);
    if (found == all->end()) return false;
    std::vector<ReferenceFile> with, without;
    for (const ReferenceFile& file : *all) {
        if (file.group != found->group) continue;
        with.push_back(file);
        if (file.id != id) without.push_back(file);
    }
    const std::int64_t time = now();
    // What is wrong with it there too is no reason: this may be what mends it.
    if (auto made = make_basis(std::move(without), time);
        !made && make_basis(std::move(with), time))
        return std::unexpected(made.error());
    bool removed = false;
    const auto done = database_.write([&](soci::session& session) -> Result<void> {
        soci::statement statement =
            (session.prepare << "delete from reference_files where tenant = :tenant and id = :id",
             soci::use(kTenant), soci::use(id));
        statement.execute(true);
        removed = statement.get_affected_rows() != 0;
        if (removed) raise_epoch(session);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return removed;
}

Result<std::vector<ReferenceFile>> ReferenceStore::files(const std::string& group) {
    std::vector<ReferenceFile> all;
    const auto done = database_.read([&](soci::session& session) -> Result<void> {
        ReferenceFile file;
        long long from = 0, until = 0, added = 0;
        std::string content;
        soci::statement select =
            (session.prepare
                 << "select id, grp, kind, name, keyring, valid_from, valid_until, who, "
                    "added, why, content from reference_files where tenant = :tenant "
                    "and (grp = :grp or :all = '') order by added, id",
             soci::use(kTenant), soci::use(group), soci::use(group), soci::into(file.id),
             soci::into(file.group), soci::into(file.kind), soci::into(file.name),
             soci::into(file.keyring), soci::into(from), soci::into(until), soci::into(file.who),
             soci::into(added), soci::into(file.why), soci::into(content));
        for (select.execute(); select.fetch();) {
            auto bytes = from_base64(content);
            if (!bytes) return fail("a reference's content is damaged: " + file.id, "database");
            file.from = from, file.until = until, file.added = added;
            file.content = std::move(*bytes);
            all.push_back(file);
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

Result<std::vector<std::string>> ReferenceStore::groups() {
    std::vector<std::string> all;
    const auto done = database_.read([&](soci::session& session) -> Result<void> {
        std::string group;
        soci::statement select =
            (session.prepare << "select distinct grp from hosts where tenant = :tenant",
             soci::use(kTenant), soci::into(group));
        for (select.execute(); select.fetch();) all.push_back(group);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

}  // namespace keyscribe::verifier
