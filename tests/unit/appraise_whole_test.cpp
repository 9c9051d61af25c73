// SPDX-License-Identifier: Apache-2.0
// What must be there before anybody is affirmed: a whole baseline, the quoted TPM's own list, the
// measuring policy's text, something that was judged; and a quote that nobody has seen before.
#include <gtest/gtest.h>

#include <functional>
#include <list>

#include "controller/service/appraise/appraise.h"
#include "tests/support/host.h"

namespace keyscribe::appraise {
namespace appraise_whole_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::Buffer;
using testing::Host;
using testing::ListMaker;

const Buffer kNonce{1, 2, 3, 4, 5, 6, 7, 8};

/// A host, what it is appraised by, and what comes of it.
struct Bench {
    Host host;
    Basis basis;
    Buffer nonce = kNonce;
    Buffer state;
    std::function<void(evidence::Evidence&)> edit;

    Bench() {
        EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
        EXPECT_TRUE(basis.references.add(host.ima, "ima.der"));
    }
    void with_files() {
        host.with_ima = true;
        host.kernel.aggregate(Host::aggregate_of(host.firmware()));
        host.file("/usr/bin/good", "good", host.ima_key.get());
    }
    Appraisal run() {
        evidence::Evidence made = host.evidence();
        if (edit) edit(made);
        bytes_.push_back(evidence::encode_cbor(made));
        const auto key = AttestationKey::from_pem(host.quote.pem(), "host.pem");
        EXPECT_TRUE(key);
        return appraise({.evidence = bytes_.back(),
                         .nonce = nonce,
                         .keys = {&*key, 1},
                         .now = std::time(nullptr),
                         .state = state},
                        basis);
    }
    /// Every code, notes in brackets: "baseline-missing [key-missing]".
    std::string codes() {
        const Appraisal appraisal = run();
        std::string text;
        for (const Finding& finding : appraisal.findings) {
            const bool note = finding.weight == Weight::kNote;
            text += (text.empty() ? "" : " ") +
                    (note ? '[' + std::string(finding.code) + ']' : std::string(finding.code));
        }
        EXPECT_EQ(appraisal.verdict == Verdict::kAffirmed, !text.contains('-') || text[0] == '[')
            << text;
        return text;
    }
    json restart() {
        json again = Host::speaker();
        again["entries"] = host.list.entries;
        return again;
    }
    void baseline(const char* reason, int keys, int told, bool ends = true) {
        host.list.record("baseline-begin",
                         {{"time", 20},
                          {"reason", reason},
                          {"keyrings", {{{"serial", 101}, {"name", Host::bytes(".ima")}}}}});
        for (int i = 0; i < told; ++i) {
            json key = host.key_fields("baseline", 300, ".ima", 101, "File signer: 11");
            key["public_key"] = cbor_bytes(testing::spki_bits(host.ima_key.get()));
            key["algorithm"] = "rsa";
            host.list.record("baseline", key);
        }
        if (ends) host.list.record("baseline-end", {{"time", 21}, {"keyrings", 1}, {"keys", keys}});
    }

  private:
    std::list<Buffer> bytes_;
};

struct Named {
    const char* name;
    std::function<void(Bench&)> make;
    const char* codes;
};
void PrintTo(const Named& named, std::ostream* to) { *to << named.name; }

class Whole : public ::testing::TestWithParam<Named> {};

TEST_P(Whole, HasItsFinding) {
    Bench bench;
    GetParam().make(bench);
    EXPECT_EQ(bench.codes(), GetParam().codes);
}

constexpr const char* kMeasure = "measure func=KEY_CHECK\n";

json over_budget() {
    return {{"reason", "budget"}, {"first", 5}, {"last", 7}, {"count", 3}, {"uid", 1000}};
}

const Named kCases[] = {
    {"AGoodHost", [](Bench& b) { b.host.good(); }, ""},

    // baseline-missing.
    {"NoBaseline",
     [](Bench& b) {
         b.host.list.aggregate();
         b.host.list.record("start", Host::speaker());
         b.host.list.record("policy", Host::policy(kMeasure));
         b.host.key(".ima", b.host.ima, 300, "x");
         b.basis.policy.chain.signers.clear();
     },
     "baseline-missing [key-missing]"},
    {"NoBaselineAndNoPolicyText",
     [](Bench& b) {
         b.host.list.aggregate();
         b.host.list.record("start", Host::speaker());
         b.host.list.record("policy", {{"digest", cbor_bytes(filled(Algorithm::kSha256, 1))},
                                       {"generation", 1},
                                       {"files", json::array()}});
         b.host.key(".ima", b.host.ima, 300, "x");
         b.basis.policy.chain.signers.clear();
     },
     "baseline-missing [policy-digest] [key-missing]"},
    {"ABaselineThatHasNotEnded",
     [](Bench& b) {
         b.host.good();
         b.baseline("policy", 1, 1, false);
     },
     "baseline-missing"},
    {"ABaselineOfMoreKeysThanWereTold",
     [](Bench& b) {
         b.host.good();
         b.baseline("policy", 2, 1);
     },
     "baseline-missing"},
    {"ABaselineOfFewerKeysThanWereTold",
     [](Bench& b) {
         b.host.good();
         b.baseline("policy", 0, 1);
     },
     "baseline-missing"},
    {"AHalfBaselineAfterALoss",
     [](Bench& b) {
         b.host.good();
         b.baseline("loss", 2, 1);
     },
     "baseline-missing"},
    {"NoBaselineAfterSkippedRuns",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("missed", {{"count", 3}, {"operations", "link"}});
     },
     "events-missed baseline-missing"},
    {"ABaselineOfSomeKeyringsAfterSkippedRuns",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("missed", {{"count", 3}});
         b.baseline("order", 1, 1);
     },
     "events-missed baseline-missing"},
    {"ABaselineAfterSkippedRuns",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("missed", {{"count", 3}});
         b.baseline("missed", 1, 1);
     },
     "events-missed"},
    {"ABaselineAfterALoss",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("loss", {{"first", 5}, {"last", 7}, {"count", 3}});
         b.baseline("loss", 1, 1);
     },
     "events-lost"},
    {"EventsOfAUsersOwnKeyringsThatFilledTheList",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("drop", over_budget());
         b.baseline("loss", 1, 1);
     },
     "[events-dropped]"},
    {"EventsOfAUserWhoseKeyStandsInAJudgedKeyring",
     [](Bench& b) {
         b.host.good();
         json key = b.host.key_fields("create", 401, ".ima", 300, "theirs");
         key["uid"] = 1000;
         b.host.list.record("create", key);
         b.host.list.record("drop", over_budget());
         b.baseline("loss", 1, 1);
     },
     "events-dropped key-unidentified"},
    {"EventsOverABudgetAndNoBaseline",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("drop", over_budget());
     },
     "baseline-missing [events-dropped]"},
    // The ring had no room for its content; it was asked for again.
    {"AKeyThatIsIdentifiedLater",
     [](Bench& b) {
         b.host.good();
         b.host.event("create", 400, "staging", "x");
         b.host.list.record("baseline-begin",
                            {{"time", 20},
                             {"reason", "unidentified"},
                             {"keyrings", {{{"serial", 9}, {"name", Host::bytes("staging")}}}}});
         json key = b.host.key_fields("baseline", 400, "staging", 9, "x");
         key["public_key"] = cbor_bytes(testing::spki_bits(b.host.ima_key.get()));
         key["algorithm"] = "rsa";
         b.host.list.record("baseline", key);
         b.host.list.record("baseline-end", {{"time", 21}, {"keyrings", 1}, {"keys", 1}});
     },
     ""},
    {"AHalfBaselineBecauseOfTheOrder",
     [](Bench& b) {
         b.host.good();
         b.baseline("order", 2, 1);
     },
     "baseline-missing"},
    {"AWholeBaselineBecauseOfTheOrder",
     [](Bench& b) {
         b.host.good();
         b.baseline("order", 1, 1);
     },
     ""},
    {"ANewPolicyWithoutABaseline",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("policy", Host::policy("measure func=KEY_CHECK op=all\n", 2));
     },
     "baseline-missing"},
    {"ABaselineOfSomeKeyringsIsNoneOfAll",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("policy", Host::policy("measure func=KEY_CHECK op=all\n", 2));
         b.baseline("order", 1, 1);
     },
     "baseline-missing"},
    {"ANewPolicyAndItsBaseline",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("policy", Host::policy("measure func=KEY_CHECK op=all\n", 2));
         b.baseline("policy", 1, 1);
     },
     ""},
    {"APolicyWithoutRulesNeedsNone",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("policy", Host::policy("# nothing\n\n", 2));
     },
     // Of .builtin_trusted_keys and .ima, which the policy before it measured; no baseline lacks.
     "keyring-unmeasured keyring-unmeasured"},
    {"ARestartWithoutABaseline",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.host.allow_restart = true;
         b.host.list.record("restart", b.restart());
     },
     "baseline-missing [restarted]"},
    {"ARestartAndItsBaseline",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.host.allow_restart = true;
         b.host.list.record("restart", b.restart());
         b.baseline("restart", 1, 1);
     },
     "[restarted]"},
    {"AnEndWithoutABegin",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("baseline-end", {{"time", 2}, {"keyrings", 0}, {"keys", 0}});
     },
     "record-malformed baseline-missing"},

    // tpm-other.
    {"AListOfAnotherBootOfTheTpm",
     [](Bench& b) {
         b.host.good();
         b.host.quote.reset_count = 8;
     },
     "tpm-other"},
    {"ABankThatIsExtendedAndNotQuoted",
     [](Bench& b) {
         b.host.good();
         b.host.first_pcrs = b.host.list.pcrs();
         b.host.first_pcrs.erase(Algorithm::kSha1);
     },
     "tpm-other"},

    // The quote.
    {"AnEmptyNonce",
     [](Bench& b) {
         b.host.good();
         b.host.quote.nonce.clear();
         b.nonce.clear();
     },
     "quote-nonce"},
    {"TheSameQuoteTwice",
     [](Bench& b) {
         b.host.good();
         b.edit = [](evidence::Evidence& e) { e.quotes.push_back(e.quotes[0]); };
     },
     "quote-repeated"},
    {"AResettablePcr",
     [](Bench& b) {
         b.host.list = ListMaker(16);
         b.host.pcr = 16;
         b.basis.policy.evidence.pcr = 16;
         b.host.good();
     },
     "evidence-pcr"},

    // The measuring policy.
    {"APolicyWhoseDigestIsOfOtherFiles",
     [](Bench& b) {
         b.host.good();
         json policy = Host::policy(kMeasure, 2);
         policy["digest"] = cbor_bytes(filled(Algorithm::kSha256, 9));
         b.host.list.record("policy", policy);
         b.baseline("policy", 1, 1);
     },
     "policy-digest"},
    {"AnExpectedPolicyWithoutItsText",
     [](Bench& b) {
         b.host.good();
         json policy = Host::policy(kMeasure, 2);
         policy["files"] = json::array();
         const auto& digest = policy["digest"].get_binary();
         b.basis.policy.host.policies = {digest};
         b.host.list.record("policy", policy);
         b.baseline("policy", 1, 1);
     },
     "policy-digest"},
    {"APolicyThatNobodyCanRead",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("policy", Host::policy("measure of_what=ever\n", 2));
         b.baseline("policy", 1, 1);
     },
     "policy-unreadable"},
    {"AKeyringThatNoRuleMeasures",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.keyrings.watched = {".ima", ".machine", "*"};
         b.host.list.record(
             "policy",
             Host::policy("measure func=KEY_CHECK keyrings=.ima|.builtin_trusted_keys\n", 2));
         b.baseline("policy", 1, 1);
     },
     "keyring-unmeasured"},
    {"AKeyringThatARuleLeavesOut",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.keyrings.watched = {".ima", "*"};
         b.host.list.record(
             "policy",
             Host::policy("dont_measure func=KEY_CHECK keyrings=.ima\nmeasure func=KEY_CHECK\n",
                          2));
         b.baseline("policy", 1, 1);
     },
     "keyring-unmeasured"},
    {"WithoutThePolicysTextItsBaselineNamesTheKeyrings",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.keyrings.watched = {".ima", ".machine", ".built*"};
         json policy = Host::policy(kMeasure, 2);
         policy["files"] = json::array();
         b.host.list.record("policy", policy);
         b.baseline("policy", 1, 1);
     },
     "keyring-unmeasured [policy-digest]"},
    {"EntriesThatARulePutsElsewhere",
     [](Bench& b) {
         b.host.good();
         b.host.list.record("policy",
                            Host::policy("measure func=KEY_CHECK keyrings=staging pcr=11\n"
                                         "measure func=KEY_CHECK\n",
                                         2));
         b.baseline("policy", 1, 1);
     },
     "entries-missing"},

    // nothing-judged, ima-missing, ima-start.
    {"NothingWasJudged",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.keyrings.watched = {"other*"};
     },
     "nothing-judged [key-missing]"},
    {"BlockedFilesAndNoListOfTheKernels",
     [](Bench& b) {
         b.host.good();
         b.basis.blocked_files = *BlockedFiles::parse(std::string(64, 'a') + "  /bin/x\n", "b");
     },
     "ima-missing"},
    {"SignaturesAreRequiredAndNoListOfTheKernels",
     [](Bench& b) {
         b.host.good();
         b.basis.policy.ima.require_signatures = true;
     },
     "ima-missing"},
    {"AnEmptyListOfTheKernels",
     [](Bench& b) {
         b.host.good();
         b.host.with_ima = true;
         b.basis.policy.ima.required = true;
     },
     "ima-missing ima-start"},
    {"AListOfTheKernelsThatBeginsWithAFile",
     [](Bench& b) {
         b.host.good();
         b.host.with_ima = true;
         b.host.file("/usr/bin/good", "good", b.host.ima_key.get());
     },
     "ima-start"},
};

INSTANTIATE_TEST_SUITE_P(Kinds, Whole, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

/// A second quote over PCR 11, whose entries stand in the list between those of PCR 13.
TEST(OtherPcrs, EntriesThatAQuoteCoversAreJudged) {
    for (const bool rogue : {false, true})
        for (const bool at_end : {false, true}) {
            Bench bench;
            Host& host = bench.host;
            host.good();
            host.list.record("policy",
                             Host::policy("measure func=KEY_CHECK keyrings=staging pcr=11\n"
                                          "measure func=KEY_CHECK\n",
                                          2));
            bench.baseline("policy", 1, 1);
            const auto before = host.list.pcrs();
            const std::uint64_t entries = host.list.entries;
            // Two entries of PCR 11 at the list's end, or before its last entry.
            ListMaker other(11);
            const Buffer key = rogue ? testing::certificate(Host::shared_key(3).get(), "Rogue",
                                                            host.builtin_key.get(), "Build key")
                                     : host.ima;
            other.buf("staging", key);
            host.list.bytes.insert(host.list.bytes.end(), other.bytes.begin(), other.bytes.end());
            host.list.entries = entries + other.entries;
            if (!at_end) host.key(".ima", host.ima, 301, "again");
            Buffer attest, signature;
            bench.edit = [&](evidence::Evidence& e) {
                attest = host.quote.attest(other.pcrs());
                signature = host.quote.sign(attest);
                e.quotes.push_back({attest, signature, other.pcrs()});
            };
            EXPECT_EQ(bench.codes(), rogue ? "key-unknown" : "") << at_end;
            // Not quoted, nobody vouches for them.
            bench.edit = nullptr;
            EXPECT_NE(bench.codes().find("entries-missing"), std::string::npos);
            EXPECT_NE(bench.codes().find("list-pcr"), std::string::npos) << at_end;
        }
}

TEST(Whole, APolicyAndAKeysEndInOneBatchAreJudgedAsEntriesOfTheirOwn) {
    std::string told[2];
    for (const bool batch : {false, true}) {
        Bench bench;
        Host& host = bench.host;
        host.good();
        const json policy =
            Host::policy("measure func=KEY_CHECK keyrings=.builtin_trusted_keys\n", 2);
        const json unlink = host.key_fields("unlink", 300, ".ima", 101, "File signer: 11");
        if (batch) {
            json entries = json::array();
            for (const auto& [kind, record] : {std::pair("policy", policy), {"unlink", unlink}})
                entries.push_back(json::array({Host::bytes(std::string("keyscribe:") + kind),
                                               cbor_bytes(list::to_cbor(record))}));
            host.list.buf("keyscribe:batch", list::to_cbor({{"entries", entries}}));
        } else {
            host.list.record("policy", policy);
            host.list.record("unlink", unlink);
        }
        bench.baseline("policy", 0, 0);
        told[batch] = bench.codes();
    }
    EXPECT_TRUE(told[0].contains("keyring-unmeasured")) << told[0];
    EXPECT_EQ(told[0], told[1]);
}

TEST(Whole, KeysThatCannotBeComparedWithTheBlockedAreTold) {
    for (const bool blocked : {false, true}) {
        Bench bench;
        bench.host.good();
        bench.basis.policy.keyrings.watched = {".ima", ".builtin_trusted_keys"};
        bench.host.event("link", 400, "staging", "nobody knows");
        if (blocked) bench.basis.blocked_keys = *BlockedKeys::parse(std::string(64, 'a'), "b");
        bench.basis.blocked_keys.extend(bench.basis.references);
        EXPECT_EQ(bench.codes(), blocked ? "[key-unidentified]" : "");
    }
}

/// The defaults themselves, which appraisal.toml has, ask for nothing more.
TEST(Whole, AKeyringThatTheFileNamesForSignersHasToBeMeasured) {
    for (const std::string text :
         {"[ima]\nsigners = [\".ima\"]\n", "[ima]\nsigners = [\"_ours\"]\n",
          "[chain.signers]\n\".ima\" = [\".machine\", \".builtin_trusted_keys\"]\n"}) {
        Bench bench;
        bench.host.rules =
            "measure func=KEY_CHECK keyrings=.ima|.builtin_trusted_keys|.secondary_trusted_keys\n";
        bench.host.good();
        auto policy = parse_policy(text, "p");
        ASSERT_TRUE(policy);
        bench.basis.policy = std::move(*policy);
        bench.basis = *complete(std::move(bench.basis));
        const bool beyond = text.contains("_ours") || text.contains(".machine");
        EXPECT_EQ(bench.codes(), beyond ? "keyring-unmeasured" : "") << text;
    }
}

/// To which of them the list belongs nobody can tell.
TEST(OtherPcrs, TwoQuotesOverOnePcrWithDifferentValuesAreRefused) {
    for (const bool differ : {false, true}) {
        Bench bench;
        Host& host = bench.host;
        host.good();
        auto pcrs = host.list.pcrs();
        for (auto& [bank, values] : pcrs) values[11] = filled(bank, 0);
        if (differ)
            for (auto& [bank, values] : pcrs) values[13] = filled(bank, 0xff);
        Buffer attest, signature;
        bench.edit = [&](evidence::Evidence& e) {
            attest = host.quote.attest(pcrs);
            signature = host.quote.sign(attest);
            e.quotes.push_back({attest, signature, pcrs});
        };
        EXPECT_EQ(bench.codes(), differ ? "quote-repeated" : "");
    }
}

Buffer kept(const Appraisal& appraisal) {
    EXPECT_TRUE(appraisal.next);
    const std::string header = appraisal.next->header();
    Buffer bytes(header.begin(), header.end());
    bytes.insert(bytes.end(), appraisal.next->kept.begin(), appraisal.next->kept.end());
    bytes.insert(bytes.end(), appraisal.next->added.begin(), appraisal.next->added.end());
    const Bytes ima = appraisal.next->state.ima;
    bytes.insert(bytes.end(), ima.begin(), ima.end());
    return bytes;
}

TEST(KeptState, TheQuoteThatItIsOfIsRefused) {
    Bench bench;
    bench.host.good();
    bench.state = kept(bench.run());
    EXPECT_EQ(bench.codes(), "quote-repeated");
    ++bench.host.quote.clock;
    EXPECT_EQ(bench.codes(), "");
}

TEST(KeptState, WhatWentBackIsNotKept) {
    Bench bench;
    bench.host.good();
    bench.state = kept(bench.run());
    --bench.host.quote.clock;
    const Appraisal older = bench.run();
    EXPECT_EQ(older.verdict, Verdict::kContraindicated);
    EXPECT_FALSE(older.next);
}

/// A key that was rogue must not turn into another one by a flipped bit.
TEST(KeptState, AListThatWasDamagedIsRefused) {
    Bench bench;
    bench.host.good();
    bench.state = kept(bench.run());
    ++bench.host.quote.clock;
    bench.host.from_entry = bench.host.list.entries;
    EXPECT_EQ(bench.codes(), "");
    for (std::size_t i = 1; i <= bench.host.list.bytes.size(); i += 97) {
        Buffer damaged = bench.state;
        damaged[damaged.size() - i] ^= 1;
        std::swap(bench.state, damaged);
        EXPECT_EQ(bench.codes(), "state-unreadable");
        std::swap(bench.state, damaged);
    }
}

TEST(KeptState, OfAnotherBootIsRefused) {
    Bench bench;
    bench.host.good();
    std::string state = [&] {
        const Buffer bytes = kept(bench.run());
        return std::string(bytes.begin(), bytes.end());
    }();
    const auto at = state.find(Host::kBootId);
    ASSERT_NE(at, state.npos);
    state[at] ^= 1;
    bench.state = {state.begin(), state.end()};
    ++bench.host.quote.clock;
    EXPECT_EQ(bench.codes(), "state-diverged");
}

TEST(Appraisal, NamesTheKeyThatSigned) {
    Bench bench;
    bench.host.good();
    const Appraisal appraisal = bench.run();
    const auto key = AttestationKey::from_pem(bench.host.quote.pem());
    const json told = json::parse(to_json(appraisal, "host.evidence"));
    EXPECT_EQ(told["attestation_key"]["sha256"], to_hex(sha256(key->der())));
    EXPECT_EQ(told["attestation_key"]["name"],
              to_hex(parse_public(bench.host.quote.tpmt_public())->name));
    EXPECT_EQ(told["attestation_key"]["file"], "host.pem");
}

/// Of several keys, the one that signed, not the first.
TEST(Appraisal, TheStateIsOfTheKeyThatSigned) {
    Bench bench;
    bench.host.good();
    evidence::Evidence made = bench.host.evidence();
    made.ak = {};  // as tpm2_quote's files are
    testing::QuoteMaker other;
    other.key = Host::shared_key(4);
    const std::vector<AttestationKey> keys{*AttestationKey::from_pem(other.pem()),
                                           *AttestationKey::from_pem(bench.host.quote.pem())};
    const Appraisal appraisal =
        appraise(made, {.evidence = {}, .nonce = kNonce, .keys = keys, .now = std::time(nullptr)},
                 bench.basis);
    ASSERT_TRUE(appraisal.next);
    EXPECT_EQ(appraisal.next->state.ak, to_hex(sha256(keys[1].der())));
    EXPECT_EQ(appraisal.key, appraisal.next->state.ak);
}

struct Enrolment {
    testing::QuoteMaker maker;
    Buffer sized(Buffer area) const {
        area.insert(area.begin(), {static_cast<std::uint8_t>(area.size() >> 8),
                                   static_cast<std::uint8_t>(area.size())});
        return area;
    }
    Enrolment() { maker.key = Host::shared_key(0); }
};

TEST(Enrolments, NameAttributesAndPemAreOfOneKey) {
    Enrolment good;
    const Buffer pub = good.sized(good.maker.tpmt_public());
    const auto found = check_enrolment(pub, good.maker.pem(), {});
    ASSERT_TRUE(found) << to_string(found.error());
    EXPECT_TRUE(check_enrolment(pub, good.maker.pem(), found->name));
    Buffer other_name = found->name;
    other_name.back() ^= 1;
    EXPECT_FALSE(check_enrolment(pub, good.maker.pem(), other_name));
    testing::QuoteMaker other;
    other.key = Host::shared_key(4);
    EXPECT_FALSE(check_enrolment(pub, other.pem(), found->name));
    EXPECT_FALSE(check_enrolment(Bytes(pub).subspan(2), good.maker.pem(), {}));
    EXPECT_FALSE(check_enrolment(Bytes(pub).first(pub.size() - 1), good.maker.pem(), {}));
}

TEST(Enrolments, EachAttributeIsNeeded) {
    const std::pair<TPMA_OBJECT, const char*> needed[] = {
        {TPMA_OBJECT_FIXEDTPM, "not fixedTPM"},
        {TPMA_OBJECT_FIXEDPARENT, "not fixedParent"},
        {TPMA_OBJECT_SENSITIVEDATAORIGIN, "not sensitiveDataOrigin"},
        {TPMA_OBJECT_RESTRICTED, "not restricted"},
        {TPMA_OBJECT_SIGN_ENCRYPT, "not sign"},
        {TPMA_OBJECT_DECRYPT, "decrypt"}};
    for (const auto& [bit, lacking] : needed) {
        Enrolment enrolment;
        enrolment.maker.attributes ^= bit;
        const auto found = check_enrolment(enrolment.sized(enrolment.maker.tpmt_public()),
                                           enrolment.maker.pem(), {});
        ASSERT_FALSE(found) << lacking;
        EXPECT_NE(found.error().what.find(lacking), std::string::npos) << found.error().what;
    }
}

}  // namespace appraise_whole_test
}  // namespace keyscribe::appraise
