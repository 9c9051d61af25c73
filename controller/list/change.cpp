// SPDX-License-Identifier: Apache-2.0
#include "controller/list/change.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "controller/list/cbor_reader.h"

namespace keyscribe::list {
namespace {

constexpr std::string_view kPrefix = "keyscribe:";

constexpr std::array<std::string_view, 19> kNames = {
    "plain", "create",  "update",         "instantiate", "reject",      "link",    "unlink",
    "move",  "clear",   "revoke",         "invalidate",  "restrict",    "timeout", "setperm",
    "chown", "destroy", "baseline-begin", "baseline",    "baseline-end"};

/// Reads the members of a record; whatever is malformed or missing is remembered.
class Members {
  public:
    explicit Members(const cbor::Map& map) : map_(map) {}

    template <class Int>
    void must(std::string_view name, Int& to) {
        if (!take(name, to)) wrong(name);
    }
    void must(std::string_view name, std::string_view& to) {
        if (!take(name, to)) wrong(name);
    }
    template <class T>
    void may(std::string_view name, T& to) {
        if (map_[name] && !take(name, to)) wrong(name);
    }
    void wrong(std::string_view name) {
        if (wrong_.empty()) wrong_ = name;
    }
    const cbor::Map& map() const { return map_; }
    std::string_view first_wrong() const { return wrong_; }

  private:
    template <class Int>
        requires std::is_integral_v<Int>
    bool take(std::string_view name, Int& to) const {
        if constexpr (std::is_same_v<Int, bool>) {
            const auto item = map_[name];
            to = true;
            return item && item->kind == cbor::Kind::kTrue;
        } else if constexpr (std::is_unsigned_v<Int>) {
            const auto value = map_.uint(name);
            if (!value || *value > std::numeric_limits<Int>::max()) return false;
            to = static_cast<Int>(*value);
        } else {
            const auto value = map_.integer(name);
            if (!value || !std::in_range<Int>(*value)) return false;
            to = static_cast<Int>(*value);
        }
        return true;
    }
    /// A byte string, or a text.
    bool take(std::string_view name, std::string_view& to) const {
        const auto bytes = map_.name(name);
        const auto text = bytes ? bytes : map_.text(name);
        to = text.value_or(std::string_view());
        return text.has_value();
    }
    bool take(std::string_view name, Bytes& to) const {
        const auto bytes = map_.bytes(name);
        to = bytes.value_or(Bytes());
        return bytes.has_value();
    }

    const cbor::Map& map_;
    std::string_view wrong_;
};

void read_digest(Members& members, Change& change) {
    Bytes digest;
    members.may("sha256", digest);
    if (digest.empty()) return;
    if (digest.size() != 32) return members.wrong("sha256");
    std::ranges::copy(digest, change.sha256.emplace().begin());
}

void read_actor(Members& members, Change& change) {
    const auto item = members.map()["actor"];
    if (!item) return;
    const auto map = cbor::Map::of(*item);
    if (!map) return members.wrong("actor");
    Members inner(*map);
    ActorView& actor = change.actor.emplace();
    inner.must("pid", actor.pid);
    inner.must("uid", actor.uid);
    inner.must("euid", actor.euid);
    inner.must("login_uid", actor.login_uid);
    inner.must("comm", actor.comm);
    inner.may("exe", actor.exe);
    inner.may("kind", actor.kind);
    if (!inner.first_wrong().empty()) members.wrong("actor");
}

void read_states(Members& members, Change& change) {
    const auto states = members.map()["state"];
    if (!states) return;
    if (states->kind != cbor::Kind::kArray) return members.wrong("state");
    for (Bytes rest = states->content; !rest.empty();) {
        const auto state = cbor::next(rest).text();
        if (state == "revoked") change.marks |= kRevoked;
        if (state == "invalidated") change.marks |= kInvalidated;
        if (state == "expired") change.marks |= kExpired;
        if (state == "negative") change.marks |= kNegative;
    }
}

void read_ids(Members& members, Change& change) {
    const auto ids = members.map()["ids"];
    if (!ids) return;
    if (ids->kind != cbor::Kind::kArray) return members.wrong("ids");
    for (Bytes rest = ids->content; !rest.empty();) {
        const cbor::Item id = cbor::next(rest);
        if (id.kind != cbor::Kind::kBytes) return members.wrong("ids");
        change.ids.push_back(id.content);
    }
}

void read_keyrings(Members& members, Change& change) {
    const auto rings = members.map()["keyrings"];
    if (!rings || rings->kind != cbor::Kind::kArray) return members.wrong("keyrings");
    for (Bytes rest = rings->content; !rest.empty();) {
        const auto map = cbor::Map::of(cbor::next(rest));
        if (!map) return members.wrong("keyrings");
        Members inner(*map);
        KeyringName& ring = change.keyrings.emplace_back();
        inner.must("serial", ring.serial);
        inner.must("name", ring.name);
        if (!inner.first_wrong().empty()) return members.wrong("keyrings");
    }
}

void read_key(Members& members, Change& change) {
    members.must("key", change.key);
    members.must("type", change.type);
    members.must("description", change.description);
    members.must("keyring", change.keyring);
    members.must("keyring_name", change.keyring_name);
    members.must("uid", change.uid);
    members.must("gid", change.gid);
    members.must("perm", change.perm);
    members.may("expiry", change.expiry);
    if (change.expiry < 0 || change.expiry == INT64_MAX) change.expiry = 0;
    members.may("withheld", change.withheld);
    members.may("public_key", change.public_key);
    members.may("algorithm", change.algorithm);
    read_ids(members, change);
    read_digest(members, change);
}

void read_event(Members& members, Change& change) {
    read_key(members, change);
    members.must("seq", change.sequence);
    members.may("plain", change.plain);
    members.may("from", change.from);
    members.may("from_name", change.from_name);
    members.may("error", change.error);
    if (std::string_view restriction; members.map()["restriction"]) {
        members.must("restriction", restriction);
        change.restriction = restriction;
    }
    if (change.plain && !change.sha256) members.wrong("plain");
    read_actor(members, change);
}

Change plain(std::string_view name, Bytes buf) {
    Change change{.keyring_name = name};
    const auto digest = hash(Algorithm::kSha256, buf);
    std::ranges::copy(Bytes(digest), change.sha256.emplace().begin());
    return change;
}

}  // namespace

std::string_view name_of(Operation operation) {
    return kNames[static_cast<std::size_t>(operation)];
}

Result<std::optional<Change>> parse_change(std::string_view name, Bytes buf) {
    if (!name.starts_with(kPrefix)) return plain(name, buf);
    const auto found = std::find(kNames.begin() + 1, kNames.end(), name.substr(kPrefix.size()));
    if (found == kNames.end()) return std::nullopt;
    const auto map = cbor::Map::parse(buf);
    if (!map) return fail(std::string(name) + ": not a map of deterministic CBOR");
    Members members(*map);
    std::optional<Change> change(std::in_place);
    change->operation = static_cast<Operation>(found - kNames.begin());
    members.must("time", change->time);
    switch (change->operation) {
        case Operation::kBaselineBegin:
            read_keyrings(members, *change);
            break;
        case Operation::kBaselineEnd:
            break;
        case Operation::kBaseline:
            read_key(members, *change);
            read_states(members, *change);
            break;
        default:
            read_event(members, *change);
    }
    if (!members.first_wrong().empty())
        return fail(std::string(name) + ": \"" + std::string(members.first_wrong()) +
                    "\" is missing or malformed");
    return change;
}

}  // namespace keyscribe::list
