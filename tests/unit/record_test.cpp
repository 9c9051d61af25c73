// SPDX-License-Identifier: Apache-2.0
// What is no record, and what its members must be.
#include "controller/list/record.h"

#include <gtest/gtest.h>

#include "controller/list/cbor.h"

namespace keyscribe::list {
namespace record_test {

using nlohmann::json;

json text(std::string_view bytes) { return cbor_bytes(as_bytes(bytes)); }

json key_fields() {
    return {{"time", 5},
            {"key", 300},
            {"type", text("asymmetric")},
            {"description", text("d")},
            {"keyring", 101},
            {"keyring_name", text(".ima")},
            {"uid", 0},
            {"gid", 0},
            {"perm", 1},
            {"seq", 7}};
}

bool is_good(const char* kind, json fields, const json& more) {
    fields.update(more);
    const auto encoded = to_cbor(fields);
    return parse_record(record_name(kind), encoded).has_value();
}

TEST(Record, EachOperationIsAnEventOfItsName) {
    for (unsigned i = 0; i < KS_OP_COUNT; ++i) {
        const auto operation = static_cast<Operation>(i);
        json fields = key_fields();
        if (operation == Operation::kReject) fields["error"] = 126;
        const auto encoded = to_cbor(fields);
        const auto record = parse_record(record_name(name_of(operation)), encoded);
        ASSERT_TRUE(record) << name_of(operation);
        EXPECT_EQ(std::get<Event>(*record).operation, operation);
    }
    EXPECT_EQ(name_of(Operation::kBaseline), "baseline");
    EXPECT_EQ(name_of(Operation::kPayload), "plain");
}

TEST(Record, IsStrict) {
    EXPECT_TRUE(is_good("link", key_fields(), json::object()));
    const json wrong[] = {{{"key", 1ll << 32}},
                          {{"key", "300"}},
                          {{"keyring", -(1ll << 32)}},
                          {{"uid", -1}},
                          {{"uid", 1ll << 32}},
                          {{"sha256", text("short")}},
                          {{"sha256", text("")}},
                          {{"plain", false}},
                          {{"plain", true}},
                          {{"type", "asymmetric"}},
                          {{"keyring_uid", -1}},
                          {{"public_key", text("")}},
                          {{"public_key", text("bits")}},
                          {{"actor", 1}},
                          {{"withheld", text("secret")}}};
    for (const json& more : wrong) EXPECT_FALSE(is_good("link", key_fields(), more)) << more;
    EXPECT_FALSE(is_good("reject", key_fields(), json::object())) << "error is missing";
    for (const char* state : {"dead", "revoked", "invalidated", "negative", "under construction"})
        EXPECT_TRUE(is_good("baseline", key_fields(), {{"state", {state}}})) << state;
    for (const char* state : {"expired", "Dead", ""})
        EXPECT_FALSE(is_good("baseline", key_fields(), {{"state", {state}}})) << state;
}

TEST(Record, AStateIsOneOfAKeyThatStandsThere) {
    json fields = key_fields();
    fields["state"] = {"revoked", "invalidated"};
    for (unsigned i = 0; i < KS_OP_COUNT; ++i) {
        const auto operation = static_cast<Operation>(i);
        if (operation == Operation::kReject) continue;
        const auto encoded = to_cbor(fields);
        const auto record = parse_record(record_name(name_of(operation)), encoded);
        ASSERT_TRUE(record) << name_of(operation);
        EXPECT_EQ(std::get<Event>(*record).marks,
                  has(operation, KS_PUTS) ? kRevoked | kInvalidated : 0)
            << name_of(operation);
    }
    EXPECT_FALSE(is_good("link", key_fields(), {{"state", "revoked"}}));
    EXPECT_FALSE(is_good("link", key_fields(), {{"state", {"destroyed"}}}));
}

TEST(Record, AnErrorIsOneOfARejectedKeyAlone) {
    json fields = key_fields();
    fields["error"] = 126;
    const auto encoded = to_cbor(fields);
    const auto link = parse_record("keyscribe:link", encoded);
    ASSERT_TRUE(link);
    EXPECT_EQ(std::get<Event>(*link).error, 0);
    const auto reject = parse_record("keyscribe:reject", encoded);
    ASSERT_TRUE(reject);
    EXPECT_EQ(std::get<Event>(*reject).error, 126);
}

TEST(Record, WhatIsNoRecordIsAPayloadAndWhatIsNotKnownIsToldSo) {
    const auto payload = parse_record(".ima", as_bytes("x"));
    ASSERT_TRUE(payload);
    EXPECT_EQ(std::get<Payload>(*payload).keyring, ".ima");
    const auto unknown = parse_record("keyscribe:new", as_bytes("x"));
    ASSERT_TRUE(unknown);
    EXPECT_EQ(std::get<Unknown>(*unknown).kind, "new");
}

}  // namespace record_test
}  // namespace keyscribe::list
