// SPDX-License-Identifier: Apache-2.0
#include "controller/host/records/records.h"

#include <sys/syscall.h>

#include <algorithm>

#include "controller/base/recorded_name.h"
#include "controller/list/cbor.h"
#include "controller/list/template_data.h"

namespace keyscribe::records {
namespace {

using nlohmann::json;

Record make(std::string_view kind, const json& fields) {
    return {list::record_name(kind), list::to_cbor(fields)};
}

json bytes(std::string_view text) { return list::cbor_bytes(as_bytes(text)); }
json name_bytes(std::string_view name) { return bytes(recorded_name(name)); }

bool fits(const Record& record) {
    return list::ima_buf_size(record.name.size(), record.buf.size()) <= list::kMaxOwnTemplateData;
}

/// What the members of an array may have in one record: its name, digests and numbers take less
/// than 200 bytes.
constexpr std::size_t kRoomForArray = list::kMaxOwnTemplateData - 200;

/// Hands out members of an array, some at a time, so that each record with them fits.
class Portions {
  public:
    /// `size`: of the member's encoding, at most.
    void add(json member, std::size_t size) {
        if (size > room_) start();
        room_ -= std::min(size, room_);
        portions_.back().push_back(std::move(member));
    }
    /// What the last portion has room for yet.
    std::size_t room() const { return room_; }
    void start() {
        portions_.push_back(json::array());
        room_ = kRoomForArray;
    }
    std::vector<json>& portions() { return portions_; }

  private:
    std::vector<json> portions_{json::array()};
    std::size_t room_ = kRoomForArray;
};

std::string withheld_reason(const events::KeyEvent& event) {
    if (event.flags & KS_EVENT_SECRET) return "secret";
    if (event.flags & KS_EVENT_NO_ROOM) return "no room";
    if (event.flags & KS_EVENT_FAULT) return "unreadable";
    if (event.flags & KS_EVENT_UNASKED) return "not asked for";
    return "unknown";  // a key that was there before the programs
}

/// TIME64_MAX is how newer kernels write "never".
bool expires(const events::KeyEvent& event) {
    return event.key_expiry != 0 && event.key_expiry != INT64_MAX;
}

json key_fields(const events::KeyEvent& event, const events::KeyringName& keyring) {
    json fields = {{"time", event.boot_time_ns},    {"key", event.key_serial},
                   {"type", bytes(event.key_type)}, {"description", name_bytes(event.description)},
                   {"keyring", keyring.serial},     {"keyring_name", name_bytes(keyring.name)},
                   {"uid", event.key_uid},          {"gid", event.key_gid},
                   {"perm", event.key_perm}};
    if (keyring.serial != 0 && keyring.serial == event.keyring.serial &&
        event.keyring_uid != UINT32_MAX)
        fields["keyring_uid"] = event.keyring_uid;
    if (expires(event)) fields["expiry"] = event.key_expiry;
    return fields;
}

void add_public_key(json& fields, const events::PublicKey& key) {
    fields["public_key"] = list::cbor_bytes(key.bytes);
    fields["algorithm"] = key.algorithm;
    json ids = json::array();
    for (const auto& id : key.ids) ids.push_back(list::cbor_bytes(id));
    fields["ids"] = ids;
}

json tpm_fields(const TpmState& tpm) {
    json banks = json::array();
    for (const Algorithm bank : tpm.banks) banks.push_back(std::string(name_of(bank)));
    json fields = {{"banks", banks}, {"resets", tpm.resets}};
    if (!tpm.left_alone.empty()) fields["left_alone"] = tpm.left_alone;
    return fields;
}

/// What the key is of `states` (ks_key_state).
void add_state(json& fields, const events::KeyEvent& event, std::uint32_t states) {
    constexpr std::pair<ks_key_state, const char*> kNames[] = {
        {KS_KEY_DEAD, "dead"},
        {KS_KEY_REVOKED, "revoked"},
        {KS_KEY_INVALIDATED, "invalidated"},
        {KS_KEY_NEGATIVE, "negative"},
        {KS_KEY_UNINSTANTIATED, "under construction"}};
    json state = json::array();
    for (const auto& [flag, name] : kNames)
        if (event.key_state & states & flag) state.push_back(name);
    if (!state.empty()) fields["state"] = state;
}

json actor_fields(const events::Actor& actor) {
    json fields = {{"pid", actor.pid},
                   {"tid", actor.tid},
                   {"ppid", actor.ppid},
                   {"uid", actor.uid},
                   {"gid", actor.gid},
                   {"euid", actor.euid},
                   {"egid", actor.egid},
                   {"login_uid", actor.login_uid},
                   {"session", actor.session},
                   {"comm", bytes(actor.comm)},
                   {"kind", kind_of(actor)},
                   {"cgroup_id", actor.cgroup_id},
                   {"namespaces",
                    {{"mnt", actor.mnt_ns},
                     {"pid", actor.pid_ns},
                     {"net", actor.net_ns},
                     {"user", actor.user_ns}}}};
    if (!actor.cgroup.empty()) fields["cgroup"] = bytes(actor.cgroup);
    if (actor.exe_ino != 0) {
        fields["exe_ino"] = actor.exe_ino;
        fields["exe_dev"] = actor.exe_dev;
        fields["exe_generation"] = actor.exe_generation;
    }
    if (!actor.exe.empty()) fields["exe"] = bytes(actor.exe);
    if (actor.exe_mnt_ns != 0) fields["exe_mnt_ns"] = actor.exe_mnt_ns;
    if (!actor.exe_now.empty()) fields["exe_now"] = bytes(actor.exe_now);
    return fields;
}

/// With names and a public key of the largest kind there can be too little room for the paths of
/// who did it: they are cut as names are. Where that is not enough, what is told elsewhere, too,
/// goes: the names of the key for signatures, then one path after the other.
Record fitted(std::string_view kind, json fields) {
    Record record = make(kind, fields);
    json none;
    const auto found = fields.find("actor");
    json& actor = found == fields.end() ? none : *found;
    constexpr const char* kPaths[] = {"cgroup", "exe_now", "exe"};
    for (const char* path : kPaths)
        if (!fits(record) && actor.contains(path)) {
            actor[path] = name_bytes(as_text(actor[path].get_binary()));
            record = make(kind, fields);
        }
    if (!fits(record)) {
        fields.erase("ids");
        record = make(kind, fields);
    }
    for (const char* path : kPaths)
        if (!fits(record) && actor.contains(path)) {
            actor.erase(path);
            record = make(kind, fields);
        }
    return record;
}

}  // namespace

std::string kind_of(const events::Actor& actor) {
    if (actor.syscall < 0) return "kernel thread";
    if (actor.syscall == SYS_init_module || actor.syscall == SYS_finit_module)
        return "module loading";
    return "process";
}

std::vector<PolicyFile> copied(const std::vector<list::PolicyFile>& files) {
    std::vector<PolicyFile> copies;
    for (const list::PolicyFile& file : files)
        copies.push_back({std::string(file.name), std::string(file.text)});
    return copies;
}

Digest policy_digest(const std::vector<PolicyFile>& files) {
    std::vector<list::PolicyFile> views;
    for (const PolicyFile& file : files) views.push_back({file.name, file.text});
    return list::policy_digest(views);
}

Record start_record(const DaemonIdentity& identity, const TpmState& tpm,
                    std::uint64_t entries_before, bool after_kexec) {
    json fields = {{"version", identity.version},
                   {"controller", list::cbor_bytes(identity.controller_digest)},
                   {"bpf", list::cbor_bytes(identity.bpf_digest)},
                   {"kernel", identity.kernel},
                   {"boot_id", identity.boot_id},
                   {"hooks", identity.hooks},
                   {"tpm", tpm_fields(tpm)}};
    if (entries_before == 0) return make("start", fields);
    fields["entries"] = entries_before;
    return make(after_kexec ? "kexec" : "restart", fields);
}

std::vector<Record> policy_records(const std::vector<PolicyFile>& files, std::uint32_t generation) {
    constexpr std::size_t kAround = 20;   // a file's map, the members' names, the lengths
    constexpr std::size_t kLeast = 1024;  // not worth a piece of a file
    Portions portions;
    for (const PolicyFile& file : files) {
        std::string_view rest = file.text;
        const std::size_t around = kAround + file.name.size();
        if (around + std::min(rest.size(), kLeast) > portions.room()) portions.start();
        do {
            if (around >= portions.room()) portions.start();
            const std::string_view piece = rest.substr(0, portions.room() - around);
            portions.add({{"name", bytes(file.name)}, {"text", bytes(piece)}},
                         around + piece.size());
            rest.remove_prefix(piece.size());
        } while (!rest.empty());
    }
    std::vector<Record> records;
    for (json& portion : portions.portions())
        if (&portion != &portions.portions().back())
            records.push_back(make("policy-part", {{"files", std::move(portion)}}));
    records.push_back(make("policy", {{"digest", list::cbor_bytes(policy_digest(files))},
                                      {"generation", generation},
                                      {"files", std::move(portions.portions().back())}}));
    return records;
}

Record event_record(const events::KeyEvent& event, std::string_view operation,
                    const events::KeyringName& keyring, const Proof& proof, bool with_actor) {
    json fields = key_fields(event, keyring);
    fields["seq"] = event.sequence;
    if (event.payload_length != 0) fields["length"] = event.payload_length;
    if (proof.whole_payload) fields["plain"] = true;
    if (proof.payload != nullptr)
        fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, *proof.payload));
    else if (event.public_key)
        add_public_key(fields, *event.public_key);
    else if (event.payload.empty() && (proof.wanted || event.payload_length != 0))
        fields["withheld"] = withheld_reason(event);
    if (event.operation == KS_OP_MOVE) {
        fields["from"] = event.from.serial;
        fields["from_name"] = name_bytes(event.from.name);
    }
    // Of a key that no watched keyring held until now nothing else says so. That one is made at
    // last (under construction no longer) the record of that says, and that one was rejected, its
    // own.
    if (list::has(static_cast<list::Operation>(event.operation), KS_PUTS) &&
        event.operation != KS_OP_REJECT)
        add_state(fields, event, ~static_cast<std::uint32_t>(KS_KEY_UNINSTANTIATED));
    if (event.operation == KS_OP_REJECT) fields["error"] = event.argument;
    if (event.operation == KS_OP_RESTRICT) fields["restriction"] = name_bytes(event.restriction);
    if (with_actor) fields["actor"] = actor_fields(event.actor);
    return fitted(operation, std::move(fields));
}

std::vector<Record> baseline_begin_records(std::uint64_t boot_time_ns, std::string_view reason,
                                           const std::vector<events::KeyringName>& keyrings,
                                           const std::vector<std::int32_t>& gone,
                                           const std::set<std::int32_t>& named_by_rule) {
    constexpr std::size_t kAround = 30;  // a keyring's map, the members' names, the serial
    constexpr std::size_t kSerial = 5;
    Portions named, ended;
    for (const events::KeyringName& keyring : keyrings) {
        const std::string name = recorded_name(keyring.name);
        json fields = {{"serial", keyring.serial}, {"name", bytes(name)}};
        if (named_by_rule.contains(keyring.serial)) fields["rule"] = true;
        named.add(std::move(fields), kAround + name.size());
    }
    for (const std::int32_t serial : gone) ended.add(serial, kSerial);
    std::vector<Record> records;
    const auto add = [&](json with, json without) {
        json fields = {{"time", boot_time_ns}, {"reason", reason}, {"keyrings", std::move(with)}};
        if (!without.empty()) fields["gone"] = std::move(without);
        if (!records.empty()) fields["more"] = true;
        records.push_back(make("baseline-begin", fields));
    };
    // One record has both where there is room: mostly there are few of either.
    const bool together = named.portions().size() == 1 && ended.portions().size() == 1 &&
                          kRoomForArray - ended.room() <= named.room();
    if (together) {
        add(named.portions()[0], ended.portions()[0]);
        return records;
    }
    // First those that are gone: a serial can be given again.
    for (json& portion : ended.portions())
        if (!portion.empty()) add(json::array(), std::move(portion));
    for (json& portion : named.portions()) add(std::move(portion), json::array());
    return records;
}

Record baseline_record(const events::KeyEvent& event) {
    json fields = key_fields(event, event.keyring);
    add_state(fields, event, UINT32_MAX);
    if (event.public_key) add_public_key(fields, *event.public_key);
    return fitted("baseline", std::move(fields));
}

Record baseline_end_record(std::uint64_t boot_time_ns, std::uint64_t keyrings, std::uint64_t keys,
                           const std::optional<events::Difference>& changed) {
    json fields = {{"time", boot_time_ns}, {"keyrings", keyrings}, {"keys", keys}};
    if (changed) {
        fields["appeared"] = changed->appeared;
        fields["vanished"] = changed->vanished;
    }
    return make("baseline-end", fields);
}

Record loss_record(std::uint64_t first, std::uint64_t last, std::uint64_t count) {
    return make("loss", {{"first", first}, {"last", last}, {"count", count}});
}

Record missed_record(std::uint64_t count, std::string_view operations) {
    json fields = {{"count", count}};
    if (!operations.empty()) fields["operations"] = operations;
    return make("missed", fields);
}

Record drop_record(std::string_view reason, std::uint64_t count, std::uint64_t first,
                   std::uint64_t last, std::optional<std::uint32_t> uid) {
    json fields = {{"reason", reason}, {"count", count}, {"first", first}, {"last", last}};
    if (uid) fields["uid"] = *uid;
    return make("drop", fields);
}

Record foreign_record(unsigned pcr, const tpm::PcrValues& found) {
    json values = json::object();
    for (const auto& [bank, digest] : found)
        values[std::string(name_of(bank))] = list::cbor_bytes(digest);
    return make("foreign", {{"pcr", pcr}, {"values", values}});
}

Record tampered_record(std::uint64_t time, const std::string& what) {
    return make("tampered", {{"time", time}, {"what", what}});
}

Record tpm_record(std::uint64_t time, const TpmState& tpm, const std::string& what) {
    return make("tpm", {{"time", time}, {"what", what}, {"tpm", tpm_fields(tpm)}});
}

Record detached_record(std::uint64_t time, const std::string& what) {
    return make("detached", {{"time", time}, {"what", what}});
}

Record canary_record(std::uint64_t time, const std::vector<std::uint8_t>& nonce) {
    return make("canary", {{"time", time}, {"nonce", list::cbor_bytes(nonce)}});
}

}  // namespace keyscribe::records
