// SPDX-License-Identifier: Apache-2.0
// Every record against what RECORDS.md says of it.
#include "controller/host/records/records.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstring>

#include "controller/base/little_endian.h"
#include "controller/list/cbor.h"
#include "controller/list/record.h"
#include "support.h"

namespace keyscribe::measure {
namespace records_test {

using nlohmann::json;

json of(std::string_view text) { return list::cbor_bytes(as_bytes(text)); }

json decoded(const records::Record& record) {
    auto value = list::from_cbor(record.buf);
    if (!value) throw std::runtime_error(to_string(value.error()));
    return *value;
}

/// As `openssl dgst` has it.
std::string sha256_by_openssl(const std::string& bytes) {
    const testing::TempDir directory;
    testing::write_file(directory / "bytes", bytes);
    const auto output = testing::run("openssl dgst -sha256 -r < " + (directory / "bytes").string());
    return output.text.substr(0, output.text.find(' '));
}

records::DaemonIdentity speaker() {
    return {.version = "0.1.0",
            .controller_digest = std::vector<std::uint8_t>(32, 0xc0),
            .bpf_digest = std::vector<std::uint8_t>(32, 0xbf),
            .kernel = "6.1.0-test",
            .boot_id = "0b2d1bd6-0000-4000-8000-000000000001",
            .hooks = {{"create", "lsm/key_post_create"}}};
}

json speaker_fields() {
    return {{"version", "0.1.0"},
            {"controller", of(std::string(32, '\xc0'))},
            {"bpf", of(std::string(32, '\xbf'))},
            {"kernel", "6.1.0-test"},
            {"boot_id", "0b2d1bd6-0000-4000-8000-000000000001"},
            {"hooks", {{"create", "lsm/key_post_create"}}},
            {"tpm", {{"banks", {"sha1", "sha256"}}, {"resets", 3}}}};
}

const records::TpmState kTpm = {
    .banks = {Algorithm::kSha1, Algorithm::kSha256}, .left_alone = {}, .resets = 3};

/// What a record says of the TPM; nothing: it is malformed.
std::optional<records::TpmState> tpm_of(std::string_view name, Bytes buf) {
    const auto record = list::parse_record(name, buf);
    if (!record) return std::nullopt;
    if (const auto* start = std::get_if<list::Start>(&*record)) return start->tpm;
    return std::get<list::TpmChange>(*record).tpm;
}

TEST(Records, Start) {
    const records::Record record = records::start_record(speaker(), kTpm, 0);
    EXPECT_EQ(record.name, "keyscribe:start");
    EXPECT_EQ(decoded(record), speaker_fields());
}

TEST(Records, Restart) {
    json fields = speaker_fields();
    fields["entries"] = 7;
    const records::Record record = records::start_record(speaker(), kTpm, 7);
    EXPECT_EQ(record.name, "keyscribe:restart");
    EXPECT_EQ(decoded(record), fields);
}

TEST(Records, Tpm) {
    const records::Record record = records::tpm_record(5, kTpm, "reset");
    EXPECT_EQ(record.name, "keyscribe:tpm");
    const json fields = {{"time", 5}, {"what", "reset"}, {"tpm", speaker_fields()["tpm"]}};
    EXPECT_EQ(decoded(record), fields);
    for (const records::Record& one : {record, records::start_record(speaker(), kTpm, 0),
                                       records::start_record(speaker(), kTpm, 7)})
        EXPECT_EQ(tpm_of(one.name, one.buf), kTpm);
    records::TpmState more = kTpm;
    more.left_alone = {"sm3_256"};
    const records::Record told = records::tpm_record(5, more, "reset");
    EXPECT_EQ(decoded(told)["tpm"]["left_alone"], json({"sm3_256"}));
    EXPECT_EQ(tpm_of(told.name, told.buf), more);
    for (const json& wrong :
         {json(1), json({{"banks", {"sha1"}}}),
          json({{"banks", {"sha1"}}, {"resets", 1}, {"left_alone", {1}}}),
          json({{"banks", {1}}, {"resets", 1}}), json({{"banks", {"md5"}}, {"resets", 1}}),
          json({{"banks", {"sha1"}}, {"resets", -1}}),
          json({{"banks", {"sha1", "sha256", "sha1"}}, {"resets", 1}})})
        EXPECT_FALSE(tpm_of("keyscribe:tpm",
                            list::to_cbor({{"time", 5}, {"what", "reset"}, {"tpm", wrong}})))
            << wrong;
}

TEST(Records, Policy) {
    const std::vector<records::PolicyFile> files = {{"10-a.policy", "measure func=KEY_CHECK\n"},
                                                    {"\xff.policy", ""}};
    std::string input;
    for (const records::PolicyFile& file : files)
        for (const std::string* part : {&file.name, &file.text}) {
            std::uint8_t length[4];
            store_le32(length, static_cast<std::uint32_t>(part->size()));
            input.append(length, length + 4);
            input += *part;
        }
    EXPECT_EQ(to_hex(records::policy_digest(files)), sha256_by_openssl(input));

    const auto written = records::policy_records(files, 3);
    ASSERT_EQ(written.size(), 1u);
    const records::Record& record = written[0];
    EXPECT_EQ(record.name, "keyscribe:policy");
    EXPECT_EQ(decoded(record),
              (json{{"digest", list::cbor_bytes(records::policy_digest(files))},
                    {"generation", 3},
                    {"files",
                     {{{"name", of("10-a.policy")}, {"text", of("measure func=KEY_CHECK\n")}},
                      {{"name", of("\xff.policy")}, {"text", of("")}}}}}));
}

TEST(Records, PolicyDigestKeepsFilesApart) {
    EXPECT_EQ(to_hex(records::policy_digest({})), sha256_by_openssl(""));
    EXPECT_NE(records::policy_digest({{"a", "bc"}}), records::policy_digest({{"ab", "c"}}));
    EXPECT_NE(records::policy_digest({{"a", "1"}, {"b", "2"}}),
              records::policy_digest({{"b", "2"}, {"a", "1"}}));
}

events::KeyEvent event() {
    events::KeyEvent made;
    made.sequence = 5000000000;
    made.boot_time_ns = 18446744073709551615u;
    made.key_serial = 123456789;
    made.key_type = "user";
    made.description = "a\xff\n";
    made.keyring = {-5, "keyscribe:start"};
    made.key_uid = 1000;
    made.key_gid = 4294967295;
    made.key_perm = 0x3f010000;
    made.payload_length = 3;
    made.payload = {'a', 'b', 'c'};
    return made;
}

json event_fields() {
    return {{"seq", 5000000000},
            {"time", 18446744073709551615u},
            {"key", 123456789},
            {"type", of("user")},
            {"description", of("a\xff\n")},
            {"keyring", -5},
            {"keyring_name", of("keyscribe:start")},
            {"uid", 1000},
            {"gid", 4294967295},
            {"perm", 0x3f010000},
            {"length", 3}};
}

/// In its own keyring, without who did it.
json decoded_event(const events::KeyEvent& made, const records::Proof& proof) {
    return decoded(records::event_record(made, "create", made.keyring, proof, false));
}

TEST(Records, TheKeyringsOwnerWhereItIsKnown) {
    events::KeyEvent made = event();
    made.keyring_uid = 1000;
    json fields = decoded_event(made, {});
    EXPECT_EQ(fields["keyring_uid"], 1000);
    const records::Record elsewhere =
        records::event_record(made, "create", {7, "another"}, {}, false);
    EXPECT_FALSE(decoded(elsewhere).contains("keyring_uid"));
}

TEST(Records, KeyWithoutItsPayload) {
    const records::Record record =
        records::event_record(event(), "create", event().keyring, {}, false);
    EXPECT_EQ(record.name, "keyscribe:create");
    EXPECT_EQ(decoded(record), event_fields());
}

TEST(Records, KeyWithItsPayloadsDigest) {
    const events::KeyEvent made = event();
    json fields = event_fields();
    fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("abc")));
    EXPECT_EQ(decoded_event(made, {.payload = &made.payload}), fields);
    fields["plain"] = true;
    EXPECT_EQ(decoded_event(made, {.whole_payload = true, .payload = &made.payload}), fields);
}

TEST(Records, KeySaysWhyItsPayloadIsNotHere) {
    for (const auto& [flags, reason] : {std::pair<int, const char*>{KS_EVENT_SECRET, "secret"},
                                        {KS_EVENT_NO_ROOM, "no room"},
                                        {KS_EVENT_FAULT, "unreadable"},
                                        {KS_EVENT_UNASKED, "not asked for"},
                                        {0, "unknown"}}) {
        events::KeyEvent made = event();
        made.payload.clear();
        made.flags = static_cast<std::uint8_t>(flags);
        json fields = event_fields();
        fields["withheld"] = reason;
        EXPECT_EQ(decoded_event(made, {}), fields);
    }
}

TEST(Records, WhatIsLeftOfAnAsymmetricKey) {
    events::KeyEvent made = event();
    made.payload.clear();
    made.payload_length = 0;
    made.public_key = events::PublicKey{"rsa", {1, 2, 3}, {{4, 5}, {6}}};
    json fields = event_fields();
    fields.erase("length");
    fields["algorithm"] = "rsa";
    fields["public_key"] = list::cbor_bytes(std::array<std::uint8_t, 3>{1, 2, 3});
    fields["ids"] = {list::cbor_bytes(std::array<std::uint8_t, 2>{4, 5}),
                     list::cbor_bytes(std::array<std::uint8_t, 1>{6})};
    EXPECT_EQ(decoded_event(made, {.wanted = true}), fields);
}

TEST(Records, WhatBelongsToTheOperation) {
    events::KeyEvent made = event();
    made.payload.clear();
    made.payload_length = 0;
    made.key_expiry = 1700000000;
    made.operation = KS_OP_MOVE;
    made.from = {77, "from here"};
    json fields = event_fields();
    fields.erase("length");
    fields["expiry"] = 1700000000;
    json move = fields;
    move["from"] = 77;
    move["from_name"] = of("from here");
    EXPECT_EQ(decoded_event(made, {}), move);
    made.operation = KS_OP_REJECT;
    made.argument = 128;
    json reject = fields;
    reject["error"] = 128;
    EXPECT_EQ(decoded_event(made, {}), reject);
    made.operation = KS_OP_RESTRICT;
    made.restriction = "asymmetric:builtin_trusted";
    json restriction = fields;
    restriction["restriction"] = of("asymmetric:builtin_trusted");
    EXPECT_EQ(decoded_event(made, {}), restriction);
}

TEST(Records, WhatTheKeyIsWhereItComes) {
    events::KeyEvent made = event();
    made.key_state = KS_KEY_REVOKED | KS_KEY_NEGATIVE | KS_KEY_UNINSTANTIATED;
    for (const ks_operation operation :
         {KS_OP_CREATE, KS_OP_UPDATE, KS_OP_INSTANTIATE, KS_OP_LINK, KS_OP_MOVE}) {
        made.operation = operation;
        EXPECT_EQ(decoded_event(made, {}).at("state"), json({"revoked", "negative"})) << operation;
    }
    for (const ks_operation operation : {KS_OP_REJECT, KS_OP_UNLINK, KS_OP_REVOKE, KS_OP_DESTROY}) {
        made.operation = operation;
        EXPECT_FALSE(decoded_event(made, {}).contains("state")) << operation;
    }
    EXPECT_EQ(decoded(records::baseline_record(made)).at("state"),
              json({"revoked", "negative", "under construction"}));
}

TEST(Records, WhoDidIt) {
    events::KeyEvent made = event();
    made.actor.pid = 42;
    made.actor.comm = "keyctl";
    made.actor.exe = "/usr/bin/keyctl";
    made.actor.exe_ino = 7;
    made.actor.exe_dev = 8;
    made.actor.mnt_ns = 9;
    const json actor =
        decoded(records::event_record(made, "create", made.keyring, {}, true)).at("actor");
    EXPECT_EQ(actor.at("pid"), 42);
    EXPECT_EQ(actor.at("comm"), of("keyctl"));
    EXPECT_EQ(actor.at("exe"), of("/usr/bin/keyctl"));
    EXPECT_EQ(actor.at("exe_ino"), 7);
    EXPECT_EQ(actor.at("namespaces").at("mnt"), 9);
    EXPECT_EQ(actor.at("kind"), "process");
    EXPECT_FALSE(actor.contains("cgroup"));
    made.actor.syscall = -1;
    EXPECT_EQ(records::kind_of(made.actor), "kernel thread");
    made.actor.syscall = SYS_finit_module;
    EXPECT_EQ(records::kind_of(made.actor), "module loading");
}

TEST(Records, Baseline) {
    const records::Record begin =
        records::baseline_begin_records(5, "start", {{1, "a"}, {2, "b"}}, {}, {2})[0];
    EXPECT_EQ(begin.name, "keyscribe:baseline-begin");
    EXPECT_EQ(decoded(begin), (json{{"time", 5},
                                    {"reason", "start"},
                                    {"keyrings",
                                     {{{"serial", 1}, {"name", of("a")}},
                                      {{"serial", 2}, {"name", of("b")}, {"rule", true}}}}}));
    events::KeyEvent made = event();
    made.payload.clear();
    made.payload_length = 0;
    made.key_state = KS_KEY_REVOKED | KS_KEY_NEGATIVE;
    json fields = event_fields();
    fields.erase("seq");
    fields.erase("length");
    fields["state"] = {"revoked", "negative"};
    EXPECT_EQ(records::baseline_record(made).name, "keyscribe:baseline");
    EXPECT_EQ(decoded(records::baseline_record(made)), fields);
    EXPECT_EQ(decoded(records::baseline_end_record(6, 2, 3, std::nullopt)),
              (json{{"time", 6}, {"keyrings", 2}, {"keys", 3}}));
    EXPECT_EQ(decoded(records::baseline_end_record(6, 2, 3, events::Difference{1, 0})),
              (json{{"time", 6}, {"keyrings", 2}, {"keys", 3}, {"appeared", 1}, {"vanished", 0}}));
}

TEST(Records, WhatWentWrong) {
    const records::Record loss = records::loss_record(5, 9, 5);
    EXPECT_EQ(loss.name, "keyscribe:loss");
    EXPECT_EQ(decoded(loss), (json{{"first", 5}, {"last", 9}, {"count", 5}}));
    const records::Record missed = records::missed_record(4, "link");
    EXPECT_EQ(missed.name, "keyscribe:missed");
    EXPECT_EQ(decoded(missed), (json{{"count", 4}, {"operations", "link"}}));
    EXPECT_EQ(decoded(records::missed_record(4, "")), (json{{"count", 4}}));
    for (const char* reason : {"deadline", "size", "version"}) {
        const records::Record drop = records::drop_record(reason, 2, 10, 20);
        EXPECT_EQ(drop.name, "keyscribe:drop");
        EXPECT_EQ(decoded(drop),
                  (json{{"reason", reason}, {"count", 2}, {"first", 10}, {"last", 20}}));
    }
}

TEST(Records, ForeignGoesThereAndBack) {
    tpm::PcrValues values;
    for (const Algorithm bank :
         {Algorithm::kSha1, Algorithm::kSha256, Algorithm::kSha384, Algorithm::kSha512})
        values[bank] = hash(bank, as_bytes("x"));
    const records::Record record = records::foreign_record(13, values);
    EXPECT_EQ(record.name, "keyscribe:foreign");
    json told = json::object();
    for (const auto& [bank, digest] : values)
        told[std::string(name_of(bank))] = list::cbor_bytes(digest);
    EXPECT_EQ(decoded(record), (json{{"pcr", 13}, {"values", told}}));
    const auto back = list::parse_record(record.name, record.buf);
    ASSERT_TRUE(back) << to_string(back.error());
    const auto& foreign = std::get<list::Foreign>(*back);
    EXPECT_EQ(foreign.pcr, 13u);
    EXPECT_EQ(tpm::PcrValues(foreign.values.begin(), foreign.values.end()), values);
}

/// A boot_id goes into JSON, which has no place for other bytes.
TEST(Records, ATextThatIsNotUtf8IsRefused) {
    for (const char* text : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80"}) {
        std::vector<std::uint8_t> record{0xa2, 0x64, 't', 'i', 'm', 'e',
                                         1,    0x64, 'w', 'h', 'a', 't'};
        record.push_back(static_cast<std::uint8_t>(0x60 + std::strlen(text)));
        record.insert(record.end(), text, text + std::strlen(text));
        EXPECT_FALSE(list::parse_record("keyscribe:detached", record)) << text;
    }
}

TEST(Records, ForeignThatIsMalformedIsRefused) {
    const auto refused = [](const json& fields) {
        return !list::parse_record("keyscribe:foreign", list::to_cbor(fields));
    };
    const json digest = of(std::string(32, 'x'));
    EXPECT_FALSE(refused({{"pcr", 13}, {"values", {{"sha256", digest}}}}));
    EXPECT_TRUE(refused({{"pcr", 13}}));
    EXPECT_TRUE(refused({{"pcr", 13}, {"values", json::array()}}));
    EXPECT_TRUE(refused({{"pcr", 13}, {"values", 1}}));
    EXPECT_TRUE(refused({{"pcr", 13}, {"values", {{"md5", digest}}}}));
    EXPECT_TRUE(refused({{"pcr", 13}, {"values", {{"sha1", digest}}}}));
    EXPECT_TRUE(refused({{"pcr", 13}, {"values", {{"sha512", digest}}}}));
    EXPECT_TRUE(refused({{"pcr", 13}, {"values", {{"sha256", std::string(32, 'x')}}}}));
    EXPECT_TRUE(refused(json::array()));
    EXPECT_TRUE(refused(7));
    EXPECT_FALSE(list::parse_record("keyscribe:foreign", {}));
    EXPECT_FALSE(list::parse_record("keyscribe:foreign", as_bytes("garbage")));
}

}  // namespace records_test
}  // namespace keyscribe::measure
