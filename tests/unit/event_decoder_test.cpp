// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/event_decoder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

namespace keyscribe::capture {
namespace event_decoder_test {

struct Record {
    ks_event fixed{};
    std::string description = "a key";
    std::string keyring = ".ima";
    std::string extra;
    std::string payload = "bytes";

    Record() {
        fixed.version = KS_EVENT_VERSION;
        fixed.operation = KS_OP_UPDATE;
        fixed.sequence = 7;
        fixed.generation = 3;
        fixed.key_serial = -5;
        fixed.keyring_uid = 1000;
        fixed.from_uid = UINT32_MAX;
        fixed.actor.pid = 42;
        fixed.actor.cgroup_id = 1ull << 40;
        std::strcpy(fixed.actor.comm, "keyctl");
        std::strcpy(fixed.key_type, "asymmetric");
    }

    std::vector<std::byte> bytes() const {
        ks_event raw = fixed;
        raw.head_size = sizeof(raw);
        raw.description_length = description.size();
        raw.keyring_length = keyring.size();
        raw.extra_length = extra.size();
        raw.payload_copied = payload.size();
        if (raw.payload_length == 0) raw.payload_length = payload.size();
        raw.size =
            sizeof(raw) + description.size() + keyring.size() + extra.size() + payload.size();
        std::vector<std::byte> all(raw.size);
        auto* to = reinterpret_cast<char*>(all.data());
        std::memcpy(to, &raw, sizeof(raw));
        to += sizeof(raw);
        for (const std::string* part : {&description, &keyring, &extra, &payload})
            to = std::copy(part->begin(), part->end(), to);
        return all;
    }
};

std::vector<std::byte> with(const Record& record, const std::function<void(ks_event&)>& change) {
    auto bytes = record.bytes();
    ks_event raw;
    std::memcpy(&raw, bytes.data(), sizeof(raw));
    change(raw);
    std::memcpy(bytes.data(), &raw, sizeof(raw));
    return bytes;
}

TEST(EventDecoder, TakesEveryField) {
    const auto event = decode_event(Record().bytes());
    ASSERT_TRUE(event) << to_string(event.error());
    EXPECT_EQ(event->sequence, 7u);
    EXPECT_EQ(event->generation, 3u);
    EXPECT_EQ(event->operation, KS_OP_UPDATE);
    EXPECT_EQ(event->key_serial, -5);
    EXPECT_EQ(event->key_type, "asymmetric");
    EXPECT_EQ(event->description, "a key");
    EXPECT_EQ(event->keyring.name, ".ima");
    EXPECT_EQ(event->keyring_uid, 1000u);
    EXPECT_EQ(event->from_uid, UINT32_MAX);
    EXPECT_EQ(std::string(event->payload.begin(), event->payload.end()), "bytes");
    EXPECT_EQ(event->actor.pid, 42u);
    EXPECT_EQ(event->actor.cgroup_id, 1ull << 40);
    EXPECT_EQ(event->actor.comm, "keyctl");
}

TEST(EventDecoder, IgnoresTheRestOfTheSizeClass) {
    auto bytes = Record().bytes();
    bytes.resize(bytes.size() + 500, std::byte{0xff});
    const auto event = decode_event(bytes);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->payload.size(), 5u);
}

TEST(EventDecoder, KeepsAnyBytesOfNames) {
    Record record;
    record.description = std::string("new\nline \"quoted\" \xff\xfe") + std::string(4000, 'x');
    record.keyring = std::string(KS_NAME_MAX, '\x80');
    const auto event = decode_event(record.bytes());
    ASSERT_TRUE(event);
    EXPECT_EQ(event->description, record.description);
    EXPECT_EQ(event->keyring.name, record.keyring);
}

TEST(EventDecoder, ToleratesNamesWithoutTerminator) {
    const auto event = decode_event(with(Record(), [](ks_event& raw) {
        std::memset(raw.actor.comm, 'c', sizeof(raw.actor.comm));
        std::memset(raw.key_type, 't', sizeof(raw.key_type));
    }));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->actor.comm, std::string(KS_COMM_SIZE, 'c'));
    EXPECT_EQ(event->key_type, std::string(KS_TYPE_NAME_SIZE, 't'));
}

TEST(EventDecoder, RefusesEveryTruncation) {
    const auto bytes = Record().bytes();
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(decode_event({bytes.data(), size})) << size;
}

TEST(EventDecoder, ReadsAnEarlierBuildsRecord) {
    // Version 4 left open how long its fixed part is.
    const auto event = decode_event(with(Record(), [](ks_event& raw) {
        raw.version = 4;
        raw.head_size = 0;
    }));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->keyring.name, ".ima");
    EXPECT_EQ(event->payload.size(), 5u);
}

TEST(EventDecoder, PassesOverWhatALaterBuildAppended) {
    auto bytes = with(Record(), [](ks_event& raw) {
        raw.head_size += 24;
        raw.size += 24;
    });
    bytes.insert(bytes.begin() + sizeof(ks_event), 24, std::byte{0xff});
    const auto event = decode_event(bytes);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->description, "a key");
    EXPECT_EQ(event->keyring.name, ".ima");
    EXPECT_EQ(event->payload.size(), 5u);
}

TEST(EventDecoder, KnowsTheNumberOfARecordOfAnyVersion) {
    const auto bytes = with(Record(), [](ks_event& raw) { raw.version = 99; });
    EXPECT_FALSE(decode_event(bytes));
    EXPECT_EQ(sequence_of(bytes), 7u);
    EXPECT_EQ(sequence_of(std::span(bytes).first(15)), 0u);
}

TEST(EventDecoder, RefusesWhatDoesNotAddUp) {
    const Record record;
    const auto refused = [&](const std::function<void(ks_event&)>& change) {
        return !decode_event(with(record, change));
    };
    EXPECT_TRUE(refused([](ks_event& raw) { raw.version = KS_EVENT_VERSION + 1; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.version = 3; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.head_size = 0; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.head_size -= 8; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.head_size += 8; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.head_size = 0xffff; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.operation = KS_OP_END; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.operation = KS_OP_BASELINE; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.extra_length = 1; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.sequence = 0; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.size += 1; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.size = 0xffffffff; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.description_length = 0xffff; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.keyring_length += 1; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.payload_copied = 0xffffffff; }));
    EXPECT_TRUE(refused([](ks_event& raw) { raw.payload_length = 6; }));
    EXPECT_TRUE(refused([](ks_event& raw) {
        raw.payload_copied = 0;
        raw.size -= 5;
    })) << "an absent payload needs a reason";
}

TEST(EventDecoder, WhatBelongsToTheOperation) {
    Record move;
    move.fixed.operation = KS_OP_MOVE;
    move.fixed.from_serial = 9;
    move.extra = "from here";
    EXPECT_EQ(decode_event(move.bytes())->from.name, "from here");
    EXPECT_EQ(decode_event(move.bytes())->from.serial, 9);
    Record restriction;
    restriction.fixed.operation = KS_OP_RESTRICT;
    restriction.extra = "asymmetric:builtin_trusted";
    EXPECT_EQ(decode_event(restriction.bytes())->restriction, "asymmetric:builtin_trusted");
}

ks_announcement announcement(std::initializer_list<const char*> components) {
    ks_announcement made{.exe_ino = 7, .exe_dev = 8, .exe_generation = 9, .mnt_ns = 10, .whole = 1};
    std::size_t i = 0;
    for (const char* component : components) std::strcpy(made.path[i++], component);
    return made;
}

std::vector<std::byte> announced(ks_operation operation, const ks_announcement& about) {
    Record record;
    record.fixed.operation = operation;
    record.fixed.sequence = 0;
    record.extra.assign(reinterpret_cast<const char*>(&about), sizeof(about));
    return record.bytes();
}

TEST(EventDecoder, ExecutablesAndCgroupsAreAnnounced) {
    const auto about = announcement({"keyctl", "bin", "usr"});
    const events::Actor actor = decode_event(announced(KS_OP_EXECUTABLE, about))->actor;
    EXPECT_EQ(actor.exe, "/usr/bin/keyctl");
    EXPECT_EQ(actor.exe_ino, 7u);
    EXPECT_EQ(actor.exe_dev, 8u);
    EXPECT_EQ(actor.exe_generation, 9u);
    EXPECT_EQ(actor.exe_mnt_ns, 10u);
    EXPECT_EQ(actor.exe_now, "");
    EXPECT_EQ(decode_event(announced(KS_OP_CGROUP, about))->actor.cgroup, "/usr/bin/keyctl");
    EXPECT_EQ(decode_event(announced(KS_OP_CGROUP, announcement({})))->actor.cgroup, "/");
    auto bytes = announced(KS_OP_CGROUP, about);
    bytes.pop_back();
    EXPECT_FALSE(decode_event(bytes));
}

TEST(EventDecoder, APathWithoutItsHeadIsNotAbsolute) {
    auto about = announcement({"a", "usr"});
    about.whole = 0;
    EXPECT_EQ(decode_event(announced(KS_OP_EXECUTABLE, about))->actor.exe, ".../usr/a");
}

/// Anybody can make a tree with usr/bin/dpkg, mount it in a user namespace, take it out of that
/// (umount -l) and execute from it.
TEST(EventDecoder, APathInAMountThatStandsInNoNamespaceIsNotAbsolute) {
    auto about = announcement({"dpkg", "bin", "usr"});
    about.mnt_ns = 0;
    EXPECT_EQ(decode_event(announced(KS_OP_EXECUTABLE, about))->actor.exe, ".../usr/bin/dpkg");
    about.replaced = 1;
    EXPECT_EQ(decode_event(announced(KS_OP_EXECUTABLE, about))->actor.exe_now, ".../usr/bin/dpkg");
    EXPECT_EQ(decode_event(announced(KS_OP_CGROUP, about))->actor.cgroup, "/usr/bin/dpkg");
}

TEST(EventDecoder, WhatWasExecutedIsToldFromWhatStandsThereNow) {
    auto about = announcement({"dpkg", "bin", "usr"});
    about.replaced = 1;
    std::strcpy(about.executed, "attack");
    const events::Actor actor = decode_event(announced(KS_OP_EXECUTABLE, about))->actor;
    EXPECT_EQ(actor.exe, ".../attack");
    EXPECT_EQ(actor.exe_now, "/usr/bin/dpkg");
    EXPECT_EQ(actor.exe_ino, 7u);
    EXPECT_EQ(actor.exe_mnt_ns, 0u);
}

std::string public_key_blob(const std::string& key, std::uint16_t id_length) {
    ks_public_key raw{};
    std::strcpy(raw.algorithm, "rsa");
    raw.key_length = static_cast<ks_u16>(key.size());
    raw.id_length[1] = id_length;
    std::memset(raw.id[1], 0x7f, sizeof(raw.id[1]));
    return std::string(reinterpret_cast<const char*>(&raw), sizeof(raw)) + key;
}

TEST(EventDecoder, PublicKeys) {
    Record record;
    record.fixed.operation = KS_OP_LINK;
    record.fixed.flags = KS_EVENT_PUBLIC_KEY;
    record.payload = public_key_blob("key bytes", 20);
    const auto event = decode_event(record.bytes());
    ASSERT_TRUE(event) << to_string(event.error());
    ASSERT_TRUE(event->public_key);
    EXPECT_EQ(event->public_key->algorithm, "rsa");
    EXPECT_EQ(std::string(event->public_key->bytes.begin(), event->public_key->bytes.end()),
              "key bytes");
    ASSERT_EQ(event->public_key->ids.size(), 1u);
    EXPECT_EQ(event->public_key->ids[0], std::vector<std::uint8_t>(20, 0x7f));
    EXPECT_TRUE(event->payload.empty());
    EXPECT_EQ(event->payload_length, 0u);

    record.payload = public_key_blob("key bytes", KS_KEY_ID_SIZE + 1);
    EXPECT_FALSE(decode_event(record.bytes()));
    record.payload = public_key_blob("key bytes", 20) + "more";
    EXPECT_FALSE(decode_event(record.bytes()));
    record.payload = "short";
    EXPECT_FALSE(decode_event(record.bytes()));
}

TEST(EventDecoder, AbsentPayloadWithAReason) {
    Record record;
    record.payload.clear();
    record.fixed.payload_length = 32;
    record.fixed.flags = KS_EVENT_SECRET;
    const auto event = decode_event(record.bytes());
    ASSERT_TRUE(event);
    EXPECT_TRUE(event->payload.empty());
    EXPECT_EQ(event->payload_length, 32u);
    EXPECT_EQ(event->flags, KS_EVENT_SECRET);
}

}  // namespace event_decoder_test
}  // namespace keyscribe::capture
