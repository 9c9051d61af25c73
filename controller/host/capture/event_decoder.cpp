// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/event_decoder.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace keyscribe::capture {
namespace {

std::string bounded_string(const char* text, std::size_t size) {
    return std::string(text, strnlen(text, size));
}

using Bytes = std::span<const std::uint8_t>;

/// Nothing: it makes no sense.
std::optional<events::PublicKey> decode_public_key(Bytes blob) {
    ks_public_key raw;
    if (blob.size() < sizeof(raw)) return std::nullopt;
    std::memcpy(&raw, blob.data(), sizeof(raw));
    const Bytes key = blob.subspan(sizeof(raw));
    if (key.size() != raw.key_length) return std::nullopt;
    events::PublicKey decoded{.algorithm = bounded_string(raw.algorithm, sizeof(raw.algorithm)),
                              .bytes = {key.begin(), key.end()},
                              .ids = {}};
    for (std::size_t i = 0; i < KS_KEY_IDS; ++i) {
        if (raw.id_length[i] > KS_KEY_ID_SIZE) return std::nullopt;
        if (raw.id_length[i] != 0)
            decoded.ids.emplace_back(raw.id[i], raw.id[i] + raw.id_length[i]);
    }
    return decoded;
}

/// What a path whose beginning is not known begins with: nobody takes it for an absolute one.
constexpr const char* kNoHead = "...";

/// The components come from the last to the first, each in a place of its own.
std::string path_of(const ks_announcement& announced, bool is_absolute) {
    std::string path;
    for (const auto& place : announced.path) {
        const std::string component = bounded_string(place, sizeof(place));
        if (component.empty()) break;
        path.insert(0, "/" + component);
    }
    if (!is_absolute) return path.empty() ? path : kNoHead + path;
    return path.empty() ? "/" : path;
}

void take_announcement(const ks_announcement& announced, ks_operation operation,
                       events::Actor& actor) {
    if (operation == KS_OP_CGROUP) {
        actor.cgroup = path_of(announced, announced.whole != 0);
        return;
    }
    // A mount that was taken out of its namespace (umount -l) ends the walk like a root does.
    const std::string path = path_of(announced, announced.whole != 0 && announced.mnt_ns != 0);
    actor.exe_ino = announced.exe_ino;
    actor.exe_dev = announced.exe_dev;
    actor.exe_generation = announced.exe_generation;
    if (announced.replaced == 0) {
        actor.exe = path;
        actor.exe_mnt_ns = announced.mnt_ns;
        return;
    }
    actor.exe_now = path;
    const std::string name = bounded_string(announced.executed, sizeof(announced.executed));
    if (!name.empty()) actor.exe = std::string(kNoHead) + '/' + name;
}

/// Version 4 did not say how long its fixed part is.
constexpr std::size_t kHeadOfVersion4 = offsetof(ks_event, payload_copied) + sizeof(ks_u32);

}  // namespace

std::uint64_t sequence_of(std::span<const std::byte> record) {
    std::uint64_t sequence = 0;
    constexpr std::size_t kAt = offsetof(ks_event, sequence);
    if (record.size() >= kAt + sizeof(sequence))
        std::memcpy(&sequence, record.data() + kAt, sizeof(sequence));
    return sequence;
}

Result<events::KeyEvent> decode_event(std::span<const std::byte> record) {
    const auto refuse = [](const std::string& why) {
        return fail("a record of the ring buffer makes no sense: " + why, "event decoder",
                    "the BPF object and the daemon must be of the same build");
    };
    ks_event raw{};
    if (record.size() < kHeadOfVersion4) return refuse("it is shorter than its fixed part");
    std::memcpy(&raw, record.data(), kHeadOfVersion4);
    if (raw.version != KS_EVENT_VERSION && raw.version != 4) return refuse("unknown version");
    const std::size_t head = raw.version == 4 ? kHeadOfVersion4 : raw.head_size;
    if (head < kHeadOfVersion4 || head > record.size())
        return refuse("its fixed part has another size than it says");
    std::memcpy(&raw, record.data(), std::min(head, sizeof(raw)));
    if (raw.operation >= KS_OP_END) return refuse("unknown operation");
    if (raw.description_length > KS_NAME_MAX || raw.keyring_length > KS_NAME_MAX ||
        raw.payload_copied > KS_PAYLOAD_MAX)
        return refuse("a field is longer than the kernel allows");
    if (raw.payload_copied != 0 && raw.payload_copied != raw.payload_length)
        return refuse("its payload is neither whole nor absent");
    if (raw.payload_copied == 0 && raw.payload_length != 0 && raw.flags == 0)
        return refuse("its payload is absent without a reason");
    if ((raw.sequence == 0) != (raw.operation >= KS_OP_COUNT))
        return refuse("its sequence number and its operation do not go together");
    const std::size_t size = head + raw.description_length + raw.keyring_length + raw.extra_length +
                             std::size_t{raw.payload_copied};
    if (raw.size != size || record.size() < size) return refuse("its lengths do not add up");

    const auto* field = reinterpret_cast<const char*>(record.data()) + head;
    const auto take = [&field](std::size_t length) {
        const std::string_view taken(field, length);
        field += length;
        return taken;
    };
    events::KeyEvent event;
    event.description = take(raw.description_length);
    event.keyring = {raw.keyring_serial, std::string(take(raw.keyring_length))};
    const std::string_view extra = take(raw.extra_length);
    const auto* payload = reinterpret_cast<const std::uint8_t*>(take(raw.payload_copied).data());
    if (raw.flags & KS_EVENT_PUBLIC_KEY) {
        event.public_key = decode_public_key({payload, raw.payload_copied});
        if (!event.public_key) return refuse("its public key is malformed");
    } else {
        event.payload.assign(payload, payload + raw.payload_copied);
        event.payload_length = raw.payload_length;
    }

    event.sequence = raw.sequence;
    event.boot_time_ns = raw.boot_time_ns;
    event.generation = raw.generation;
    event.operation = static_cast<ks_operation>(raw.operation);
    event.flags = raw.flags;
    event.key_serial = raw.key_serial;
    event.key_type = bounded_string(raw.key_type, sizeof(raw.key_type));
    event.key_uid = raw.key_uid;
    event.key_gid = raw.key_gid;
    event.key_perm = raw.key_perm;
    event.key_state = raw.key_state;
    event.keyring_uid = raw.keyring_uid;
    event.from_uid = raw.from_uid;
    // The kernel keeps both times in one place (struct key, a union of expiry and revoked_at).
    event.key_expiry = (raw.key_state & KS_KEY_REVOKED) != 0 ? 0 : raw.key_expiry;
    event.argument = raw.argument;
    const ks_actor& actor = raw.actor;
    event.actor = {.pid = actor.pid,
                   .tid = actor.tid,
                   .uid = actor.uid,
                   .gid = actor.gid,
                   .euid = actor.euid,
                   .egid = actor.egid,
                   .login_uid = actor.login_uid,
                   .ppid = actor.ppid,
                   .session = actor.session,
                   .syscall = actor.syscall,
                   .cgroup_id = actor.cgroup_id,
                   .start_time = actor.start_time,
                   .exec_id = actor.exec_id,
                   .mnt_ns = actor.mnt_ns,
                   .pid_ns = actor.pid_ns,
                   .net_ns = actor.net_ns,
                   .user_ns = actor.user_ns,
                   .comm = bounded_string(actor.comm, sizeof(actor.comm))};
    if (raw.operation == KS_OP_MOVE) event.from = {raw.from_serial, std::string(extra)};
    if (raw.operation == KS_OP_RESTRICT) event.restriction = extra;
    if (raw.operation == KS_OP_EXECUTABLE || raw.operation == KS_OP_CGROUP) {
        ks_announcement announced;
        if (extra.size() != sizeof(announced)) return refuse("its announcement has another size");
        std::memcpy(&announced, extra.data(), sizeof(announced));
        take_announcement(announced, event.operation, event.actor);
    }
    return event;
}

}  // namespace keyscribe::capture
