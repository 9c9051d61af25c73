// SPDX-License-Identifier: Apache-2.0
#include "controller/capture/event_decoder.h"

#include <cstring>

namespace keyscribe::capture {
namespace {

std::string bounded_string(const char* text, std::size_t size) {
    return std::string(text, strnlen(text, size));
}

}  // namespace

Result<KeyEvent> decode_event(std::span<const std::byte> record) {
    const auto refuse = [](std::string why) {
        return fail("a record of the ring buffer makes no sense: " + why, "event decoder",
                    "the BPF object and the daemon must be of the same build");
    };
    ks_event raw;
    if (record.size() < sizeof(raw)) return refuse("it is shorter than its fixed part");
    std::memcpy(&raw, record.data(), sizeof(raw));
    if (raw.version != KS_EVENT_VERSION) return refuse("unknown version");
    if (raw.operation >= KS_OP_COUNT) return refuse("unknown operation");
    if (raw.description_length > KS_NAME_MAX || raw.keyring_length > KS_NAME_MAX ||
        raw.payload_copied > KS_PAYLOAD_MAX)
        return refuse("a field is longer than the kernel allows");
    if (raw.payload_copied != 0 && raw.payload_copied != raw.payload_length)
        return refuse("its payload is neither whole nor absent");
    if (raw.payload_copied == 0 && raw.payload_length != 0 && raw.flags == 0)
        return refuse("its payload is absent without a reason");
    if (raw.sequence == 0) return refuse("it has no sequence number");
    const std::size_t size = sizeof(raw) + raw.description_length + raw.keyring_length +
                             std::size_t{raw.payload_copied};
    if (raw.size != size || record.size() < size) return refuse("its lengths do not add up");

    const auto* field = reinterpret_cast<const char*>(record.data()) + sizeof(raw);
    const auto take = [&field](std::size_t length) {
        const char* start = field;
        field += length;
        return start;
    };
    KeyEvent event;
    event.description.assign(take(raw.description_length), raw.description_length);
    event.keyring.assign(take(raw.keyring_length), raw.keyring_length);
    const auto* payload = reinterpret_cast<const std::uint8_t*>(take(raw.payload_copied));
    event.payload.assign(payload, payload + raw.payload_copied);

    event.sequence = raw.sequence;
    event.boot_time_ns = raw.boot_time_ns;
    event.generation = raw.generation;
    event.operation = static_cast<ks_operation>(raw.operation);
    event.flags = raw.flags;
    event.payload_length = raw.payload_length;
    event.key_serial = raw.key_serial;
    event.keyring_serial = raw.keyring_serial;
    event.key_type = bounded_string(raw.key_type, sizeof(raw.key_type));
    event.key_uid = raw.key_uid;
    event.key_gid = raw.key_gid;
    event.key_perm = raw.key_perm;
    event.key_expiry = raw.key_expiry;
    event.actor = {.pid = raw.pid,
                   .tid = raw.tid,
                   .uid = raw.uid,
                   .gid = raw.gid,
                   .euid = raw.euid,
                   .egid = raw.egid,
                   .login_uid = raw.login_uid,
                   .cgroup_id = raw.cgroup_id,
                   .comm = bounded_string(raw.comm, sizeof(raw.comm))};
    return event;
}

}  // namespace keyscribe::capture
