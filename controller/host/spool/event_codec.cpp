// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/event_codec.h"

#include <cstring>
#include <type_traits>

namespace keyscribe::spool {
namespace {

/// Every field, once. A new field of KeyEvent or Actor belongs here too, and changes the sizes.
template <class Event, class Visit>
void each_field(Event& event, Visit&& visit) {
    static_assert(sizeof(events::Actor) == 176 && sizeof(events::PublicKey) == 80 &&
                      sizeof(events::KeyEvent) == 560,
                  "a field that is not here is lost when the daemon dies");
    visit(event.sequence);
    visit(event.boot_time_ns);
    visit(event.generation);
    visit(event.operation);
    visit(event.key_serial);
    visit(event.key_type);
    visit(event.description);
    visit(event.keyring.serial);
    visit(event.keyring.name);
    visit(event.from.serial);
    visit(event.from.name);
    visit(event.key_uid);
    visit(event.key_gid);
    visit(event.key_perm);
    visit(event.key_state);
    visit(event.keyring_uid);
    visit(event.from_uid);
    visit(event.key_expiry);
    visit(event.argument);
    visit(event.restriction);
    auto& actor = event.actor;
    visit(actor.pid);
    visit(actor.tid);
    visit(actor.uid);
    visit(actor.gid);
    visit(actor.euid);
    visit(actor.egid);
    visit(actor.login_uid);
    visit(actor.ppid);
    visit(actor.session);
    visit(actor.syscall);
    visit(actor.cgroup_id);
    visit(actor.cgroup);
    visit(actor.exe_ino);
    visit(actor.exe_dev);
    visit(actor.exe);
    visit(actor.mnt_ns);
    visit(actor.pid_ns);
    visit(actor.net_ns);
    visit(actor.user_ns);
    visit(actor.comm);
    visit(event.ring);
    visit(event.ring_position);
    visit(event.payload_length);
    visit(event.flags);
    visit(event.payload);
    visit(event.public_key);
}

/// Of what each_field() visits; raised with every change of the order.
constexpr std::uint32_t kVersion = sizeof(events::KeyEvent);

template <class T>
concept Plain = std::is_trivially_copyable_v<T>;

/// Without a place to write to it only counts.
struct Packer {
    std::uint8_t* to = nullptr;
    std::size_t size = 0;
    void put(const void* from, std::size_t length) {
        if (to != nullptr && length != 0) std::memcpy(to + size, from, length);
        size += length;
    }
    void operator()(const Plain auto& value) { put(&value, sizeof(value)); }
    void operator()(const std::optional<events::PublicKey>& key) {
        (*this)(static_cast<std::uint8_t>(key.has_value()));
        if (!key) return;
        (*this)(key->algorithm);
        (*this)(key->bytes);
        (*this)(static_cast<std::uint32_t>(key->ids.size()));
        for (const auto& id : key->ids) (*this)(id);
    }
    void operator()(const auto& text) {
        (*this)(static_cast<std::uint32_t>(text.size()));
        put(text.data(), text.size());
    }
};

struct Unpacker {
    std::span<const std::uint8_t> rest;
    bool whole = true;
    const std::uint8_t* take(std::size_t size) {
        if (size > rest.size()) whole = false;
        if (!whole) return nullptr;
        const std::uint8_t* taken = rest.data();
        rest = rest.subspan(size);
        return taken;
    }
    void operator()(Plain auto& value) {
        if (const auto* from = take(sizeof(value))) std::memcpy(&value, from, sizeof(value));
    }
    void operator()(std::optional<events::PublicKey>& key) {
        std::uint8_t is_there = 0;
        (*this)(is_there);
        if (!whole || is_there == 0) return;
        key.emplace();
        (*this)(key->algorithm);
        (*this)(key->bytes);
        std::uint32_t ids = 0;
        (*this)(ids);
        for (; whole && ids > 0; --ids) (*this)(key->ids.emplace_back());
    }
    void operator()(auto& text) {
        std::uint32_t size = 0;
        (*this)(size);
        if (const auto* from = take(size)) text.assign(from, from + size);
    }
};

}  // namespace

WipedBytes pack_event(const events::KeyEvent& event) {
    const auto pack = [&event](Packer packer) {
        packer(kVersion);
        each_field(event, packer);
        return packer.size;
    };
    // Its size first: to grow, a vector with an allocator of its own copies byte by byte, and the
    // reader of the ring has no time for that.
    WipedBytes packed(pack({}));
    pack({.to = packed.data()});
    return packed;
}

Result<events::KeyEvent> unpack_event(std::span<const std::uint8_t> packed) {
    Unpacker unpacker{packed};
    std::uint32_t version = 0;
    unpacker(version);
    events::KeyEvent event;
    if (version == kVersion) each_field(event, unpacker);
    if (version != kVersion || !unpacker.whole || !unpacker.rest.empty() ||
        event.operation >= KS_OP_COUNT)
        return fail("an event of the spool makes no sense", "spool",
                    "another build of the daemon wrote it");
    return event;
}

}  // namespace keyscribe::spool
