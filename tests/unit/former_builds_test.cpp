// SPDX-License-Identifier: Apache-2.0
// What former builds left behind can be read: fixtures/builds has a folder for each version. The
// folder of a new version is written by this test itself, before its release:
// KEYSCRIBE_WRITE_FIXTURES=FOLDER.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "controller/host/capture/event_decoder.h"
#include "controller/host/spool/spool.h"
#include "controller/service/appraise/state.h"
#include "support.h"

namespace keyscribe {
namespace former_builds_test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

WipedBytes wiped(std::string_view text) { return {text.begin(), text.end()}; }

events::KeyEvent linked() {
    return {
        .sequence = 41,
        .boot_time_ns = 5'000'000'001,
        .generation = 2,
        .operation = KS_OP_LINK,
        .key_serial = 0x12345678,
        .key_type = "asymmetric",
        .description = "Fleet signer: \xc3\xa9",
        .keyring = {77, ".ima"},
        .from = {},
        .key_uid = 1000,
        .key_gid = 1001,
        .key_perm = 0x3f030000,
        .key_state = KS_KEY_REVOKED,
        .keyring_uid = 0,
        .from_uid = UINT32_MAX,
        .key_expiry = 1'900'000'000,
        .argument = -3,
        .restriction = "",
        .actor = {.pid = 10,
                  .tid = 11,
                  .uid = 1000,
                  .gid = 1000,
                  .euid = 0,
                  .egid = 0,
                  .login_uid = 1000,
                  .ppid = 9,
                  .session = 3,
                  .syscall = 250,
                  .cgroup_id = 1ull << 33,
                  .start_time = 4'000'000'000,
                  .exec_id = 6,
                  .mnt_ns = 4026531840,
                  .pid_ns = 4026531836,
                  .net_ns = 4026531992,
                  .user_ns = 4026531837,
                  .comm = "keyctl"},
        .ring = 5,
        .ring_position = 4096,
        .payload_length = 0,
        .flags = KS_EVENT_PUBLIC_KEY,
        .payload = {},
        .public_key = events::PublicKey{.algorithm = "rsa", .bytes = {1, 2, 3}, .ids = {{4, 5}}}};
}

events::KeyEvent created() {
    events::KeyEvent event = linked();
    event.sequence = 42;
    event.operation = KS_OP_CREATE;
    event.flags = 0;
    event.public_key.reset();
    event.payload = wiped("what was handed in");
    event.payload_length = event.payload.size();
    event.ring_position = 8192;
    return event;
}

void write_spool(const fs::path& path) {
    auto file = spool::SpoolFile::open(path);
    ASSERT_TRUE(file);
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(std::move(*file), 0, nullptr);
    spool.push(linked());
    spool.push(created());
    spool.push(events::Loss{.first = 43, .last = 45, .count = 3});
    spool.push(spool::Missed{7, {"link"}});
    spool.set_progress(5, 45);
    spool.flush();
}

std::string ring_record() {
    ks_event raw{};
    raw.version = KS_EVENT_VERSION;
    raw.operation = KS_OP_MOVE;
    raw.sequence = 9;
    raw.boot_time_ns = 123;
    raw.generation = 4;
    raw.key_serial = -5;
    raw.keyring_serial = 6;
    raw.from_serial = 7;
    raw.key_uid = 8;
    raw.keyring_uid = 9;
    raw.from_uid = 10;
    raw.key_expiry = 11;
    raw.argument = 12;
    raw.actor.pid = 13;
    raw.actor.user_ns = 14;
    std::strcpy(raw.actor.comm, "keyctl");
    std::strcpy(raw.key_type, "user");
    const std::string tail = "a key.imafrom here";
    raw.description_length = 5;
    raw.keyring_length = 4;
    raw.extra_length = 9;
    raw.head_size = sizeof(raw);
    raw.size = sizeof(raw) + tail.size();
    return std::string(reinterpret_cast<const char*>(&raw), sizeof(raw)) + tail;
}

std::string kept_state() {
    static const std::string list = "the list as far as it was covered";
    const std::string ima = "the kernel's";
    appraise::KeptState state;
    state.ak = std::string(64, 'a');
    state.boot_id = "8c0d3a4e-8d0a-4a39-9d51-9d0f6a6fd2f1";
    state.pcr = 11;
    state.reset_count = 3;
    state.restart_count = 4;
    state.clock = 5;
    state.entries = 6;
    state.quote = sha256(as_bytes("a quote"));
    state.values = {{Algorithm::kSha256, hash(Algorithm::kSha256, as_bytes("the PCR"))}};
    state.ima = as_bytes(ima);
    state.ima_entries = 2;
    state.ima_algorithm = Algorithm::kSha256;
    return appraise::state_header(state, as_bytes(list), {}) + list + ima;
}

void write_fixtures(const fs::path& folder) {
    fs::remove_all(folder);
    fs::create_directories(folder);
    write_spool(folder / "spool");
    testing::write_file(folder / "ring-record", ring_record());
    testing::write_file(folder / "kept-state", kept_state());
}

class FormerBuilds : public ::testing::TestWithParam<std::string> {
  protected:
    fs::path folder() const { return fs::path(FIXTURES) / "builds" / GetParam(); }
};

TEST_P(FormerBuilds, TheirSpoolIsRead) {
    const testing::TempDir directory;
    fs::copy(folder() / "spool", directory / "spool");
    auto file = spool::SpoolFile::open(directory / "spool");
    ASSERT_TRUE(file);
    spool::Spool spool(1 << 20, 0s);
    spool.keep_in(std::move(*file), 0, std::make_shared<settings::LoadedPolicy>());
    EXPECT_EQ(spool.progress().ring, 5u);
    EXPECT_EQ(spool.progress().received, 2u);
    (void)spool.pop(0s);  // the policy
    const auto link = std::get<events::KeyEvent>(spool.pop(0s).value());
    const events::KeyEvent as_written = linked();
    EXPECT_EQ(link.operation, KS_OP_LINK);
    EXPECT_EQ(link.description, as_written.description);
    EXPECT_EQ(link.keyring.serial, 77);
    EXPECT_EQ(link.key_state, as_written.key_state);
    EXPECT_EQ(link.actor.cgroup_id, as_written.actor.cgroup_id);
    EXPECT_EQ(link.actor.comm, "keyctl");
    ASSERT_TRUE(link.public_key);
    EXPECT_EQ(link.public_key->bytes, as_written.public_key->bytes);
    const auto create = std::get<events::KeyEvent>(spool.pop(0s).value());
    EXPECT_EQ(create.payload, wiped("what was handed in"));
    EXPECT_EQ(create.argument, -3);
    EXPECT_EQ(std::get<events::Loss>(spool.pop(0s).value()).lost(), 3u);
    EXPECT_EQ(std::get<spool::Missed>(spool.pop(0s).value()).count, 7u);
    EXPECT_FALSE(spool.pop(0s));
}

TEST_P(FormerBuilds, TheirRingsRecordIsRead) {
    const std::string record = testing::read_file(folder() / "ring-record");
    const auto event = capture::decode_event(std::as_bytes(std::span(record)));
    ASSERT_TRUE(event) << to_string(event.error());
    EXPECT_EQ(event->operation, KS_OP_MOVE);
    EXPECT_EQ(event->sequence, 9u);
    EXPECT_EQ(event->description, "a key");
    EXPECT_EQ(event->keyring.name, ".ima");
    EXPECT_EQ(event->from.name, "from here");
    EXPECT_EQ(event->from_uid, 10u);
    EXPECT_EQ(event->argument, 12);
    EXPECT_EQ(event->actor.user_ns, 14u);
    EXPECT_EQ(event->key_type, "user");
}

TEST_P(FormerBuilds, TheirKeptStateIsRead) {
    const std::string file = testing::read_file(folder() / "kept-state");
    const auto state = appraise::parse_state(as_bytes(file));
    ASSERT_TRUE(state) << to_string(state.error());
    EXPECT_EQ(state->entries, 6u);
    EXPECT_EQ(state->clock, 5u);
    ASSERT_EQ(state->values.size(), 1u);
    EXPECT_TRUE(state->values[0].second == hash(Algorithm::kSha256, as_bytes("the PCR")));
    EXPECT_EQ(state->ima_entries, 2u);
    EXPECT_EQ(std::string(state->ima.begin(), state->ima.end()), "the kernel's");
}

std::vector<std::string> versions() {
    if (const char* folder = std::getenv("KEYSCRIBE_WRITE_FIXTURES")) write_fixtures(folder);
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(fs::path(FIXTURES) / "builds"))
        names.push_back(entry.path().filename());
    return names;
}

INSTANTIATE_TEST_SUITE_P(Of, FormerBuilds, ::testing::ValuesIn(versions()),
                         [](const auto& version) {
                             std::string name = "V" + version.param;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

}  // namespace former_builds_test
}  // namespace keyscribe
