// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/event_codec.h"

#include <cstring>
#include <type_traits>

namespace keyscribe::spool {
namespace {

/// Every field, once, with its tag. A new field of KeyEvent or Actor gets a new tag here; the tag
/// of one that goes is never given again.
template <class Event, class Visit>
void each_field(Event& event, Visit&& visit) {
    static_assert(sizeof(events::Actor) == 232 && sizeof(events::PublicKey) == 80 &&
                      sizeof(events::KeyEvent) == 616,
                  "a field that is not here is lost when the daemon dies");
    visit(1, event.sequence);
    visit(2, event.boot_time_ns);
    visit(3, event.generation);
    visit(4, event.operation);
    visit(5, event.key_serial);
    visit(6, event.key_type);
    visit(7, event.description);
    visit(8, event.keyring.serial);
    visit(9, event.keyring.name);
    visit(10, event.from.serial);
    visit(11, event.from.name);
    visit(12, event.key_uid);
    visit(13, event.key_gid);
    visit(14, event.key_perm);
    visit(15, event.key_state);
    visit(16, event.keyring_uid);
    visit(17, event.from_uid);
    visit(18, event.key_expiry);
    visit(19, event.argument);
    visit(20, event.restriction);
    auto& actor = event.actor;
    visit(21, actor.pid);
    visit(22, actor.tid);
    visit(23, actor.uid);
    visit(24, actor.gid);
    visit(25, actor.euid);
    visit(26, actor.egid);
    visit(27, actor.login_uid);
    visit(28, actor.ppid);
    visit(29, actor.session);
    visit(30, actor.syscall);
    visit(31, actor.cgroup_id);
    visit(32, actor.cgroup);
    visit(33, actor.exe_ino);
    visit(34, actor.exe_dev);
    visit(35, actor.exe);
    visit(48, actor.start_time);
    visit(49, actor.exec_id);
    visit(50, actor.exe_generation);
    visit(51, actor.exe_mnt_ns);
    visit(52, actor.exe_now);
    visit(36, actor.mnt_ns);
    visit(37, actor.pid_ns);
    visit(38, actor.net_ns);
    visit(39, actor.user_ns);
    visit(40, actor.comm);
    visit(41, event.ring);
    visit(42, event.ring_position);
    visit(43, event.payload_length);
    visit(44, event.flags);
    visit(45, event.payload);
    visit(46, event.public_key);
}

/// Raised where a tag gets another meaning: then neither build reads the other's events.
constexpr std::uint32_t kVersion = 1;

/// What an event of any version begins with.
struct Prefix {
    std::uint32_t version = kVersion;
    std::uint32_t fields = 0;
    std::uint64_t sequence = 0;
};

/// Before each field.
struct Head {
    std::uint32_t tag = 0;
    std::uint32_t size = 0;
};

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

/// Writes tag, size and value of each field.
struct FieldPacker {
    Packer packer;
    std::uint32_t fields = 0;
    void operator()(std::uint32_t tag, const auto& value) {
        const std::size_t head = packer.size;
        packer(Head{});
        const std::size_t begin = packer.size;
        packer(value);
        ++fields;
        if (packer.to == nullptr) return;
        const Head written{.tag = tag, .size = static_cast<std::uint32_t>(packer.size - begin)};
        std::memcpy(packer.to + head, &written, sizeof(written));
    }
};

/// Fills in the field of one tag.
struct FieldUnpacker {
    Head head;
    Unpacker value;
    bool known = false;
    void operator()(std::uint32_t tag, auto& field) {
        if (tag != head.tag) return;
        known = true;
        value(field);
    }
};

}  // namespace

WipedBytes pack_event(const events::KeyEvent& event) {
    const auto pack = [&event](Packer to, std::uint32_t fields) {
        to(Prefix{.fields = fields, .sequence = event.sequence});
        FieldPacker packer{to};
        each_field(event, packer);
        return packer;
    };
    // Its size first: to grow, a vector with an allocator of its own copies byte by byte, and the
    // reader of the ring has no time for that.
    const FieldPacker counted = pack({}, 0);
    WipedBytes packed(counted.packer.size);
    pack({.to = packed.data()}, counted.fields);
    return packed;
}

std::uint64_t sequence_of(std::span<const std::uint8_t> packed) {
    Unpacker unpacker{packed};
    Prefix prefix;
    unpacker(prefix);
    return prefix.sequence;
}

Result<events::KeyEvent> unpack_event(std::span<const std::uint8_t> packed) {
    const auto refuse = [] {
        return fail("an event of the spool is not understood", "spool",
                    "another build of the daemon wrote it");
    };
    Unpacker unpacker{packed};
    Prefix prefix;
    unpacker(prefix);
    if (!unpacker.whole || prefix.version != kVersion) return refuse();
    events::KeyEvent event;
    for (; prefix.fields > 0; --prefix.fields) {
        FieldUnpacker field;
        unpacker(field.head);
        const auto* from = unpacker.take(field.head.size);
        if (!unpacker.whole) return refuse();
        field.value.rest = {from, field.head.size};
        each_field(event, field);
        // Of a later build: what it says of the event must not be passed over.
        if (!field.known || !field.value.whole || !field.value.rest.empty()) return refuse();
    }
    if (!unpacker.rest.empty() || event.operation >= KS_OP_COUNT) return refuse();
    return event;
}

}  // namespace keyscribe::spool
