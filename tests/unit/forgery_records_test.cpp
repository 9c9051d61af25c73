// SPDX-License-Identifier: Apache-2.0
// Records that are malformed, and what records tell of the host.
#include "forgery.h"

namespace keyscribe::appraise {
namespace forgery_records_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::Buffer;
using testing::Host;
using testing::rogue;
using testing::Setting;

INSTANTIATE_TEST_SUITE_P(
    Records, Forgeries,
    ::testing::ValuesIn(std::vector<Forgery>{
        {"a record that is not CBOR",
         [](Setting& s) {
             s.good();
             s.host.list.buf("keyscribe:create", Buffer{0xff});
         },
         "record-malformed@8"},
        {"a record in another encoding",
         [](Setting& s) {
             s.good();
             s.host.list.buf("keyscribe:missed",
                             Buffer{0xa1, 0x65, 'c', 'o', 'u', 'n', 't', 0x18, 1});
         },
         "record-malformed@8 baseline-missing@8"},
        {"a record of an unknown kind",
         [](Setting& s) {
             s.good();
             s.host.list.record("nonsense", json::object());
         },
         "record-unknown@8"},
        {"a batch in a batch",
         [](Setting& s) {
             s.good();
             s.host.list.record(
                 "batch", {{"entries", {{Host::bytes("keyscribe:batch"), Host::bytes("x")}}}});
         },
         "record-malformed@8"},
        {"a rogue key in a batch",
         [](Setting& s) {
             s.good();
             s.host.list.record("batch", {{"entries",
                                           {{Host::bytes("staging"), cbor_bytes(rogue(s.host))},
                                            {Host::bytes("staging"), cbor_bytes(s.host.ima)}}}});
         },
         "key-unknown@8"},
        {"a record that claims another payload",
         [](Setting& s) {
             s.good();
             s.host.list.buf("staging", rogue(s.host));
             json fields = s.host.key_fields("create", 5, "staging", 9, "x");
             fields["plain"] = true;
             fields["sha256"] = cbor_bytes(hash(Algorithm::kSha256, s.host.ima));
             s.host.list.record("create", fields);
         },
         "key-unknown@8 record-malformed@9"},
        {"a record that claims a payload that is not there",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("create", 5, "staging", 9, "x");
             fields["plain"] = true;
             fields["sha256"] = cbor_bytes(hash(Algorithm::kSha256, s.host.ima));
             s.host.list.record("create", fields);
         },
         "record-malformed@8"},

        // What the records tell.
        {"lost events",
         [](Setting& s) {
             s.good();
             s.host.list.record("loss", {{"first", 5}, {"last", 7}, {"count", 3}});
         },
         "events-lost@8 baseline-missing@8"},
        {"missed events",
         [](Setting& s) {
             s.good();
             s.host.list.record("missed", {{"count", 3}});
         },
         "events-missed@8 baseline-missing@8"},
        {"dropped events",
         [](Setting& s) {
             s.good();
             s.host.list.record("drop",
                                {{"reason", "size"}, {"first", 5}, {"last", 7}, {"count", 3}});
         },
         "events-dropped@8 baseline-missing@8"},
        {"a foreign extend that the list tells of",
         [](Setting& s) {
             s.good();
             s.host.list.extend_only("somebody");
             s.host.list.record("foreign", {{"pcr", 13}, {"values", s.host.list.values_json()}});
         },
         "foreign-extend@8"},
        {"a foreign extend that nothing tells of",
         [](Setting& s) {
             s.good();
             s.host.list.extend_only("somebody");
         },
         "list-replay"},
        {"a restarted daemon",
         [](Setting& s) {
             s.good();
             json again = Host::speaker();
             again["entries"] = s.host.list.entries;
             s.host.list.record("restart", again);
         },
         "restarted@8 baseline-missing@8"},
        {"a detached program",
         [](Setting& s) {
             s.good();
             s.host.list.record("detached", {{"time", 1}, {"what", "x"}});
         },
         "detached@8"},
        {"no canary where one is required",
         [](Setting& s) {
             s.good();
             s.basis.policy.host.require_canary = true;
         },
         "canary-missing"},
        {"a canary for another nonce",
         [](Setting& s) {
             s.good();
             s.basis.policy.host.require_canary = true;
             s.host.list.record("canary", {{"time", 1}, {"nonce", Host::bytes("former")}});
         },
         "canary-missing"},
        {"a list that was repaired",
         [](Setting& s) {
             s.good();
             s.host.list.record("tampered", {{"time", 1}, {"what", "x"}});
         },
         "tampered@8"},
        {"a TPM that was reset",
         [](Setting& s) {
             s.good();
             s.host.list.record(
                 "tpm", {{"time", 1}, {"what", "x"}, {"tpm", testing::Host::speaker()["tpm"]}});
         },
         "tpm-reset@8"},
        {"another policy",
         [](Setting& s) {
             s.good();
             s.basis.policy.host.policies = {Buffer(32, 1)};
         },
         "policy-unexpected@2"},
        {"another daemon",
         [](Setting& s) {
             s.good();
             s.basis.policy.host.controllers = {Buffer(32, 1)};
         },
         "controller-unexpected@1"},
        {"another BPF object",
         [](Setting& s) {
             s.good();
             s.basis.policy.host.bpf = {Buffer(32, 1)};
         },
         "bpf-unexpected@1"},
    }),
    test_name);

}  // namespace forgery_records_test
}  // namespace keyscribe::appraise
