// SPDX-License-Identifier: Apache-2.0
// What is kept of a host's list is enough to judge it: without the list, by an empty database's
// standards, and where that is not so the list is taken.
#include <soci/soci.h>

#include "controller/service/verifier/compressed.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/rounds.h"
#include "controller/service/web/pages.h"
#include "tests/support/setting.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_records_test {

using testing::Buffer;
using testing::FleetHost;

class FleetRecords : public Fleet {
  protected:
    void SetUp() override {
        Fleet::SetUp();
        trust(host_);
        id_ = enrol(host_);
        host_.host.good();
        const auto first = visit(host_);
        ASSERT_TRUE(first) << to_json(first.error());
        entries_ = first->entries;
    }
    void execute(const std::string& statement) {
        const auto done = service_->database->write([&](soci::session& session) -> Result<void> {
            session << statement;
            return {};
        });
        ASSERT_TRUE(done) << to_string(done.error());
    }
    HostRow row() { return **find_host(*service_->database, id_); }
    Buffer records() {
        return (*load_snapshot(*service_->database, row(), Load::kRecords))->records;
    }
    /// With something new; the verdict, or what is wrong.
    std::string next_visit() {
        const auto done = visit(host_, entries_);
        if (done) entries_ = done->entries;
        return outcome(done);
    }
    FleetHost host_{"web"};
    std::string id_;
    std::uint64_t entries_ = 0;
};
FLEET_ON_BOTH_ENGINES(FleetRecords);

TEST_P(FleetRecords, NoListIsReadToJudgeAHost) {
    ASSERT_FALSE(records().empty());
    execute("delete from list_chunks");
    host_.host.list.record("canary", {{"time", 1}, {"nonce", testing::Host::bytes("x")}});
    EXPECT_EQ(next_visit(), "affirmed");
    const Buffer rogue = testing::rogue(host_.host);
    host_.host.key(".ima", rogue, 301, "Rogue: 22");
    EXPECT_EQ(next_visit(), "contraindicated");
    // It stays so when the key is gone.
    host_.host.event("destroy", 301, ".ima", "Rogue: 22");
    EXPECT_EQ(next_visit(), "contraindicated");
    EXPECT_EQ(row().list_bytes, host_.host.list.bytes.size());
    EXPECT_EQ(*judge_stale(*service_), 0);
    trust(rogue, "rogue.der");
    EXPECT_EQ(*judge_stale(*service_), 1);
    EXPECT_EQ(row().verdict, "affirmed");
}

TEST_P(FleetRecords, WhereTheyCannotBeToldTheListIsTaken) {
    const Buffer before = records();
    for (const std::string& other : {std::string(), compressed(as_bytes("{\"version\":99}\n")),
                                     compressed(Bytes(before).first(before.size() - 1))}) {
        execute("update snapshots set records = '" + other + "'");
        EXPECT_EQ(next_visit(), "affirmed") << "nothing new";
        host_.host.list.record("canary", {{"time", 1}, {"nonce", testing::Host::bytes("x")}});
        EXPECT_EQ(next_visit(), "affirmed");
        EXPECT_TRUE(records().size() >= before.size()) << "they are there again";
        execute("update snapshots set records = '" + other + "'");
        trust(testing::rogue(host_.host, "R" + std::to_string(other.size())),
              std::to_string(other.size()));
        EXPECT_EQ(*judge_stale(*service_), 1);
        EXPECT_EQ(row().verdict, "affirmed");
    }
}

TEST_P(FleetRecords, AListThatTheyAreNotShownOfIsKeptWhole) {
    host_.host.list.record(
        "foreign", {{"pcr", testing::Host::kPcr}, {"values", host_.host.list.values_json()}});
    EXPECT_EQ(next_visit(), "contraindicated");
    EXPECT_TRUE(records().empty());
    host_.host.list.record("canary", {{"time", 1}, {"nonce", testing::Host::bytes("x")}});
    EXPECT_EQ(next_visit(), "contraindicated");
    trust(testing::rogue(host_.host), "rogue.der");
    EXPECT_EQ(*judge_stale(*service_), 1);
}

/// The former kernel's list is thrown away, and what the PCR had behind it explains this one.
TEST_P(FleetRecords, AListThatBeganAnewAfterAKexecStaysGood) {
    host_.host.begin_after_kexec("c0ffee00-0000-4000-8000-000000000002");
    entries_ = 0;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(next_visit(), "affirmed") << i;
        trust(testing::rogue(host_.host, "R" + std::to_string(i)), std::to_string(i) + ".der");
        EXPECT_EQ(*judge_stale(*service_), 1);
        EXPECT_EQ(row().verdict, "affirmed") << i;
        host_.host.key(".ima", host_.host.ima, 400 + i, "again");
    }
    // Nor does the report in a browser say otherwise.
    const auto report = web::report_of(*service_, id_);
    ASSERT_TRUE(report && *report);
    EXPECT_EQ((*report)->find("Why the evidence is unusable"), std::string::npos);
}

TEST_P(FleetRecords, TheExportHasTheWholeListAndItsVerdict) {
    for (int i = 0; i < 30; ++i) {
        host_.host.key("staging", host_.host.ima, 400 + i, "again");
        host_.host.event("destroy", 400 + i, "staging", "again");
        ASSERT_EQ(next_visit(), "affirmed");
    }
    EXPECT_LT(records().size(), host_.host.list.bytes.size() / 3);
    const auto exported = export_host(*service_, id_);
    ASSERT_TRUE(exported && exported->is_object());
    const auto evidence = from_base64((*exported)["evidence"].get<std::string>());
    const auto document = evidence::decode(*evidence);
    ASSERT_TRUE(document);
    EXPECT_TRUE(std::ranges::equal(document->evidence.list.data, host_.host.list.bytes));
    const auto key = testing::key_of(host_.host);
    const auto basis = service_->references->basis("default", 0, now());
    const auto offline =
        appraise::appraise({.evidence = *evidence,
                            .nonce = *from_hex((*exported)["nonce"].get<std::string>()),
                            .keys = {&key, 1},
                            .now = now()},
                           (*basis)->basis);
    EXPECT_EQ((*exported)["appraisal"]["verdict"].get<std::string>(), name_of(offline.verdict));
    EXPECT_EQ(offline.entries, row().entries);
}

}  // namespace verifier_records_test
}  // namespace keyscribe::verifier
