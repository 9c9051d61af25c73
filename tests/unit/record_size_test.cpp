// SPDX-License-Identifier: Apache-2.0
// No record has more than 4,096 bytes of template data, whatever it tells of; and what was cut is
// read as a whole.
#include <gtest/gtest.h>

#include "controller/base/recorded_name.h"
#include "controller/host/records/records.h"
#include "controller/keyrings/completeness.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/list/policy_parts.h"
#include "controller/list/template_data.h"
#include "controller/list/unfold.h"

namespace keyscribe {
namespace record_size_test {

using records::Record;

std::size_t size_in_list(const Record& record) {
    const std::size_t size = list::encode_ima_buf(record.name, record.buf).size();
    EXPECT_EQ(size, list::ima_buf_size(record.name.size(), record.buf.size()));
    return size;
}

TEST(RecordedName, IsCutWhereItIsLongAndStaysAnother) {
    const std::string whole(255, 'a');
    EXPECT_EQ(recorded_name(whole), whole);
    EXPECT_EQ(recorded_name(""), "");
    const std::string cut = recorded_name(whole + 'a');
    EXPECT_EQ(cut.size(), 255u);
    EXPECT_EQ(cut.substr(0, 222), whole.substr(0, 222));
    EXPECT_EQ(cut[222], '\0');
    EXPECT_EQ(to_hex(as_bytes(cut).subspan(223)), to_hex(sha256(as_bytes(whole + 'a'))));
    EXPECT_NE(recorded_name(whole + 'b'), cut);
    EXPECT_EQ(recorded_name(cut), cut);
}

std::vector<records::PolicyFile> joined(const std::vector<Record>& written) {
    list::PolicyParts parts;
    std::vector<records::PolicyFile> files;
    for (const Record& record : written) {
        EXPECT_LE(size_in_list(record), list::kMaxOwnTemplateData) << record.name;
        auto read = list::parse_record(record.name, record.buf);
        EXPECT_TRUE(read);
        parts.complete(*read);
        if (const auto* policy = std::get_if<list::Policy>(&*read)) {
            files = records::copied(policy->files);
            EXPECT_EQ(to_hex(policy->digest), to_hex(list::policy_digest(policy->files)));
        }
    }
    return files;
}

TEST(RecordSize, OfAPolicy) {
    std::string text;
    while (text.size() < 20000)
        text += "measure func=KEY_CHECK keyrings=ring" + std::to_string(text.size()) + "\n";
    std::vector<records::PolicyFile> many;
    for (int i = 0; i < 40; ++i)
        many.push_back({std::to_string(i) + std::string(200, 'n'), std::string(50 * i, '#')});
    const std::vector<std::vector<records::PolicyFile>> policies = {
        {},
        {{"a", ""}},
        {{"a", text}},
        {{"a", "short\n"}, {"b", text}, {"c", ""}, {"d", text.substr(0, 3000)}, {"e", "x"}},
        {{std::string(255, 'n'), text}, {"b", std::string(1 << 20, '#')}},
        many};
    for (const auto& policy : policies) {
        const auto read = joined(records::policy_records(policy, 1));
        ASSERT_EQ(read.size(), policy.size());
        for (std::size_t i = 0; i < read.size(); ++i) {
            EXPECT_EQ(read[i].name, policy[i].name);
            EXPECT_EQ(read[i].text, policy[i].text);
        }
    }
    EXPECT_EQ(records::policy_records(policies[1], 1).size(), 1u);
    EXPECT_GT(records::policy_records(policies[2], 1).size(), 4u);
}

// The daemon died between the parts and the policy; the next one begins anew.
TEST(PolicyParts, OfAnInterruptedPolicyAreForgotten) {
    list::PolicyParts parts;
    list::Record part = list::PolicyPart{.files = {{"a", "1"}}};
    list::Record restart = list::Start{.again = true};
    list::Record policy = list::Policy{.files = {{"a", "2"}}};
    parts.complete(part);
    parts.complete(restart);
    parts.complete(policy);
    EXPECT_EQ(std::get<list::Policy>(policy).files.at(0).text, "2");
    parts.complete(part);
    parts.complete(policy);
    EXPECT_EQ(std::get<list::Policy>(policy).files.at(0).text, "12");
}

TEST(RecordSize, OfABaseline) {
    std::vector<events::KeyringName> keyrings;
    std::vector<std::int32_t> gone;
    for (int i = 1; i <= 700; ++i) {
        keyrings.push_back({INT32_MAX - i, std::string(i % 300, 'k')});
        gone.push_back(-INT32_MAX + i);
    }
    for (const std::size_t some : {0u, 1u, 20u, 700u})
        for (const std::size_t ended : {0u, 1u, 500u, 700u}) {
            const auto written = records::baseline_begin_records(
                5, "start", {keyrings.begin(), keyrings.begin() + some},
                {gone.begin(), gone.begin() + ended});
            keyrings::Completeness completeness;
            keyrings::KeyringModel model;
            std::size_t named = 0, told_gone = 0, entry = 0;
            const auto tell = [&](const Record& record) {
                EXPECT_LE(size_in_list(record), list::kMaxOwnTemplateData);
                const list::LogicalRecord read{
                    .entry = entry++, .name = record.name, .buf = record.buf};
                completeness.record(read);
                ASSERT_TRUE(model.feed(read));
                const auto parsed = list::parse_record(record.name, record.buf);
                ASSERT_TRUE(parsed);
                if (const auto* begin = std::get_if<list::BaselineBegin>(&*parsed)) {
                    EXPECT_EQ(begin->more, entry > 1);
                    named += begin->keyrings.size();
                    told_gone += begin->gone.size();
                }
            };
            for (const Record& record : written) tell(record);
            tell(records::baseline_end_record(5, some, 0, std::nullopt));
            EXPECT_EQ(named, some);
            EXPECT_EQ(told_gone, ended);
            EXPECT_TRUE(completeness.whole());
            EXPECT_EQ(model.keyrings().size(), some);
            if (some == 20 && ended == 1) EXPECT_EQ(written.size(), 1u);
        }
}

/// A key of the largest kind, with names that are as long as the kernel takes them.
events::KeyEvent largest() {
    events::KeyEvent event;
    event.sequence = event.boot_time_ns = UINT64_MAX;
    event.key_serial = INT32_MIN;
    event.key_type = std::string(KS_TYPE_NAME_SIZE - 1, 't');
    event.description = std::string(KS_NAME_MAX, 'd');
    event.keyring = {INT32_MIN, std::string(KS_NAME_MAX, 'k')};
    event.from = {INT32_MIN, std::string(KS_NAME_MAX, 'f')};
    event.key_uid = event.key_gid = event.key_perm = UINT32_MAX;
    event.keyring_uid = UINT32_MAX - 1;
    event.key_expiry = INT64_MAX - 1;
    event.key_state = 0x1f;
    event.operation = KS_OP_MOVE;
    event.public_key.emplace();
    event.public_key->algorithm = std::string(KS_ALGORITHM_SIZE, 'a');
    event.public_key->bytes.resize(KS_PUBLIC_KEY_MAX);
    event.public_key->ids.resize(KS_KEY_IDS, std::vector<std::uint8_t>(KS_KEY_ID_SIZE));
    events::Actor& actor = event.actor;
    actor.pid = actor.tid = actor.ppid = actor.uid = actor.gid = actor.euid = actor.egid =
        UINT32_MAX;
    actor.mnt_ns = actor.pid_ns = actor.net_ns = actor.user_ns = actor.exe_mnt_ns = UINT32_MAX;
    actor.exe_ino = actor.cgroup_id = UINT64_MAX;
    actor.exe_dev = actor.exe_generation = UINT32_MAX;
    actor.comm = std::string(15, 'c');
    actor.exe = actor.cgroup = std::string(4096, 'p');
    actor.exe_now = std::string(255, 'p');
    return event;
}

TEST(RecordSize, OfAnEvent) {
    const events::KeyEvent event = largest();
    EXPECT_LE(size_in_list(records::baseline_record(event)), list::kMaxOwnTemplateData);
    for (const bool with_actor : {false, true})
        EXPECT_LE(size_in_list(records::event_record(event, "move", event.keyring, {}, with_actor)),
                  list::kMaxOwnTemplateData)
            << with_actor;
    events::KeyEvent restrict = event;
    restrict.operation = KS_OP_RESTRICT;
    restrict.public_key.reset();
    restrict.restriction = std::string(KS_NAME_MAX, 'r');
    EXPECT_LE(size_in_list(records::event_record(restrict, "restrict", event.keyring, {}, true)),
              list::kMaxOwnTemplateData);
    // Where there is room, a path is whole.
    events::KeyEvent ordinary = event;
    ordinary.public_key.reset();
    ordinary.actor.exe = ordinary.actor.cgroup = std::string(1000, 'p');
    const auto record = records::event_record(ordinary, "move", event.keyring, {}, true);
    EXPECT_EQ(std::get<list::Event>(list::parse_record(record.name, record.buf).value()).actor->exe,
              ordinary.actor.exe);
}

}  // namespace record_size_test
}  // namespace keyscribe
