// SPDX-License-Identifier: Apache-2.0
// From a good list: each of a table of bad things, at each position, one entry a record and in
// batches. None of them is ever affirmed.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "controller/service/appraise/appraise.h"
#include "tests/support/host.h"
#include "tests/unit/support.h"

namespace keyscribe::appraise {
namespace mutation_test {

using nlohmann::json;
using testing::Buffer;
using testing::Host;

/// What belongs together: a record, or a payload and the record behind it.
using Unit = std::vector<std::pair<std::string, Buffer>>;

constexpr const char* kRings[] = {".builtin_trusted_keys", ".ima", ".secondary_trusted_keys"};

Unit unit(const std::string& kind, const json& fields) {
    return {{"keyscribe:" + kind, list::to_cbor(fields)}};
}

enum class Layout { kPlain, kBatchAUnit, kOneBatch, kRandomBatches };
constexpr Layout kLayouts[] = {Layout::kPlain, Layout::kBatchAUnit, Layout::kOneBatch,
                               Layout::kRandomBatches};

/// A host's list as units, and the verdict on a list of such.
class Bench {
  public:
    Bench() {
        host_.quote.key = Host::shared_key(10);
        host_.quote.scheme = TPM2_ALG_ECDSA;
        key_ = *AttestationKey::from_pem(host_.quote.pem());
        EXPECT_TRUE(basis_.references.add(host_.builtin, "build.der"));
        EXPECT_TRUE(basis_.references.add(host_.ima, "signer.der"));
        rogue_ = testing::certificate(Host::shared_key(3).get(), "Rogue", Host::shared_key(3).get(),
                                      "Rogue");
        basis_.policy.keys.required = {"*"};
        basis_.policy.keyrings.watched = {std::begin(kRings), std::end(kRings)};
        make_good();
    }

    const std::vector<Unit>& good() const { return good_; }
    /// Behind this unit the required keys stand.
    std::size_t complete() const { return complete_; }

    json fields(const char* kind, int serial, std::string_view ring, std::string_view description,
                std::string_view type = "asymmetric") {
        return host_.key_fields(kind, serial, ring, ring.empty() ? 0 : host_.ring_serial(ring),
                                description, type);
    }
    Unit with_payload(const char* kind, int serial, std::string_view ring, Bytes payload,
                      std::string_view description) {
        json made = fields(kind, serial, ring, description);
        made["plain"] = true;
        made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, payload));
        return {{std::string(ring), Buffer(payload.begin(), payload.end())},
                {std::string("keyscribe:") + kind, list::to_cbor(made)}};
    }
    Bytes rogue() const { return rogue_; }
    Host& host() { return host_; }

    Verdict verdict(const std::vector<Unit>& units, Layout layout) {
        host_.list = testing::ListMaker(Host::kPcr);
        host_.list.aggregate(Host::aggregate_of(host_.firmware()));
        host_.list.record("start", Host::speaker());
        write(units, layout);
        const evidence::Evidence evidence = host_.evidence();
        const Appraisal appraisal = appraise(
            evidence, {.nonce = host_.quote.nonce, .keys = {&key_, 1}, .now = std::time(nullptr)},
            basis_);
        last_.clear();
        for (const Finding& finding : appraisal.findings)
            if (finding.weight != Weight::kNote)
                last_ += std::string(finding.code) + ": " + finding.sentence + "\n";
        return appraisal.verdict;
    }
    const std::string& last() const { return last_; }

  private:
    void make_good() {
        std::string rings;
        for (const char* ring : kRings) rings += (rings.empty() ? "" : "|") + std::string(ring);
        good_.push_back(
            unit("policy", Host::policy("measure func=KEY_CHECK op=all keyrings=" + rings + "\n")));
        json named = json::array();
        for (const char* ring : kRings)
            named.push_back({{"serial", host_.ring_serial(ring)}, {"name", Host::bytes(ring)}});
        good_.push_back(
            unit("baseline-begin", {{"time", 1}, {"reason", "start"}, {"keyrings", named}}));
        json old = fields("baseline", 200, kRings[0], "Build key: 00");
        old["public_key"] = list::cbor_bytes(testing::spki_bits(host_.builtin_key.get()));
        old["algorithm"] = "rsa";
        good_.push_back(unit("baseline", old));
        good_.push_back(unit("baseline-end", {{"time", 2}, {"keyrings", 3}, {"keys", 1}}));
        good_.push_back(with_payload("create", 300, ".ima", host_.ima, "File signer: 11"));
        complete_ = good_.size();
        // What goes on in keyrings, and harms nothing.
        for (int i = 0; i < 20; ++i) {
            const std::string name = "user " + std::to_string(i);
            good_.push_back(unit("create", fields("create", 1000 + i, ".ima", name, "user")));
            good_.push_back(unit("setperm", fields("setperm", 1000 + i, ".ima", name, "user")));
        }
    }

    void write(const std::vector<Unit>& units, Layout layout) {
        Unit batch;
        const auto flush = [&] {
            if (batch.empty()) return;
            json entries = json::array();
            for (const auto& [name, buf] : batch)
                entries.push_back({Host::bytes(name), list::cbor_bytes(buf)});
            host_.list.record("batch", {{"entries", entries}});
            batch.clear();
        };
        for (const Unit& one : units) {
            // A foreign extend's record stands alone.
            if (layout == Layout::kPlain || one.front().first == "keyscribe:foreign") {
                flush();
                for (const auto& [name, buf] : one) host_.list.buf(name, buf);
                continue;
            }
            batch.insert(batch.end(), one.begin(), one.end());
            if (layout == Layout::kBatchAUnit ||
                (layout == Layout::kRandomBatches && random_() % 3 == 0))
                flush();
        }
        flush();
    }

    Host host_;
    AttestationKey key_ = *AttestationKey::from_pem(host_.quote.pem());
    Basis basis_;
    Buffer rogue_;
    std::vector<Unit> good_;
    std::size_t complete_ = 0;
    std::mt19937 random_{1};
    std::string last_;
};

struct Bad {
    std::string name;
    std::vector<Unit> units;
    bool takes = false;  ///< what was required: harmless before it came
};

std::vector<Bad> table(Bench& bench) {
    std::vector<Bad> all;
    const auto add = [&](std::string name, std::vector<Unit> units, bool takes = false) {
        all.push_back({std::move(name), std::move(units), takes});
    };
    const auto text = [](std::string_view bytes) { return Host::bytes(bytes); };

    // The list is not complete, or not of this boot, or not understood.
    add("loss", {unit("loss", {{"first", 5}, {"last", 7}, {"count", 3}})});
    add("missed", {unit("missed", {{"count", 1}})});
    add("drop", {unit("drop", {{"reason", "size"}, {"count", 1}, {"first", 1}, {"last", 1}})});
    add("foreign", {unit("foreign", {{"pcr", 13}, {"values", json::object()}})});
    add("tampered", {unit("tampered", {{"time", 1}, {"what", "x"}})});
    add("detached", {unit("detached", {{"time", 1}, {"what", "x"}})});
    add("tpm", {unit("tpm", {{"time", 1}, {"what", "x"}, {"tpm", Host::speaker()["tpm"]}})});
    add("an unknown record", {unit("new", {{"time", 1}})});
    add("a malformed record", {unit("link", {{"time", 1}})});
    json restart = Host::speaker();
    restart["entries"] = 5;
    add("restart", {unit("restart", restart)});
    add("a second start", {unit("start", Host::speaker())});
    json other = Host::speaker();
    other["boot_id"] = "c0ffee00-0000-4000-8000-000000000002";
    add("another boot", {unit("start", other)});
    json kexec = other;
    kexec["entries"] = 5;
    kexec["tpm"]["resets"] = 5;
    add("a kexec of another boot of the TPM, without a baseline", {unit("kexec", kexec)});
    add("a policy that measures nothing",
        {unit("policy", Host::policy("dont_measure func=KEY_CHECK\n", 2))});
    add("half a baseline",
        {unit("baseline-begin",
              {{"time", 50}, {"reason", "policy"}, {"keyrings", json::array()}})});
    add("a baseline's end", {unit("baseline-end", {{"time", 50}, {"keyrings", 3}, {"keys", 1}})});

    // A key that nobody knows, by each way into a keyring.
    const Bytes rogue = bench.rogue();
    const json digest = list::cbor_bytes(hash(Algorithm::kSha256, rogue));
    for (const char* ring : kRings) {
        const std::string in = std::string(" in ") + ring;
        for (const char* kind : {"create", "update", "instantiate", "link", "move"}) {
            add(std::string(kind) + in, {bench.with_payload(kind, 400, ring, rogue, "Rogue")});
            json made = bench.fields(kind, 401, ring, "Rogue 2");
            made["sha256"] = digest;
            add(std::string(kind) + " by digest" + in, {unit(kind, made)});
            made = bench.fields(kind, 402, ring, "Rogue 3");
            made["withheld"] = "no room";
            add(std::string(kind) + " without identity" + in, {unit(kind, made)});
            made = bench.fields(kind, 403, ring, "Rogue 4");
            made["public_key"] = text("bits");
            made["algorithm"] = "rsa";
            add(std::string(kind) + " by public key" + in, {unit(kind, made)});
        }
        json old = bench.fields("baseline", 404, ring, "Rogue 5");
        add("a baseline's key without identity" + in, {unit("baseline", old)});
        old["public_key"] = text("bits");
        old["algorithm"] = "rsa";
        add("a baseline's key" + in, {unit("baseline", old)});
        add("a payload without a record" + in, {{{ring, Buffer(rogue.begin(), rogue.end())}}});
        add("a keyring that no rule names" + in,
            {unit("link", bench.fields("link", 500, ring, "hidden", "keyring"))});
        add("such a keyring in a baseline" + in,
            {unit("baseline", bench.fields("baseline", 501, ring, "hidden", "keyring"))});
    }
    // The serials of good keys, used again.
    for (const char* kind : {"update", "create", "instantiate"})
        add(std::string("a good serial, by ") + kind,
            {bench.with_payload(kind, 300, ".ima", rogue, "File signer: 11")});

    // A required key goes.
    const auto go = [&](const char* kind, int serial, std::string_view ring,
                        std::string_view description, const json& more = json::object(),
                        std::string_view type = "asymmetric") {
        json made = bench.fields(kind, serial, ring, description, type);
        made.update(more);
        add(std::string(kind) + " of a required key or its keyring " + std::to_string(serial),
            {unit(kind, made)}, true);
    };
    for (const auto& [serial, ring, description] :
         {std::tuple(300, ".ima", "File signer: 11"),
          std::tuple(200, ".builtin_trusted_keys", "Build key: 00")}) {
        for (const char* kind : {"unlink", "revoke", "invalidate", "destroy"})
            go(kind, serial, ring, description);
        go("timeout", serial, ring, description, {{"expiry", 1000}});
        json moved = bench.fields("move", serial, "staging", description);
        add("moved, from where is not told", {unit("move", moved)}, true);
        moved["from"] = bench.host().ring_serial(ring);
        add("moved, from what serial", {unit("move", moved)}, true);
        moved["from_name"] = text(ring);
        add("moved", {unit("move", moved)}, true);
        go("reject", 600, ring, description, {{"error", 126}});
        const int keyring = bench.host().ring_serial(ring);
        for (const char* kind : {"clear", "revoke", "invalidate", "destroy"})
            go(kind, keyring, "", ring, json::object(), "keyring");
        go("timeout", keyring, "", ring, {{"expiry", 1000}}, "keyring");
        add("a baseline without it",
            {unit("baseline-begin", {{"time", 20},
                                     {"reason", "order"},
                                     {"keyrings", {{{"serial", keyring}, {"name", text(ring)}}}}}),
             unit("baseline-end", {{"time", 21}, {"keyrings", 1}, {"keys", 0}})},
            true);
        add("its keyring is told as gone",
            {unit("baseline-begin", {{"time", 20},
                                     {"reason", "gone"},
                                     {"keyrings", json::array()},
                                     {"gone", {keyring}}}),
             unit("baseline-end", {{"time", 21}, {"keyrings", 0}, {"keys", 0}})},
            true);
        for (const char* state : {"revoked", "invalidated", "dead"}) {
            json dead = bench.fields("baseline", serial, ring, description);
            dead["state"] = {state};
            add(std::string("a baseline in which it is ") + state, {unit("baseline", dead)}, true);
        }
    }
    return all;
}

/// One takes 5 ms under sanitizers.
constexpr int kStride = testing::kStep == 1 ? 1 : 5 * testing::kStep;

TEST(Mutations, AreNeverAffirmed) {
    const auto begun = std::chrono::steady_clock::now();
    Bench bench;
    for (const Layout layout : kLayouts)
        ASSERT_EQ(bench.verdict(bench.good(), layout), Verdict::kAffirmed) << bench.last();
    std::size_t tried = 0;
    for (const Bad& bad : table(bench))
        for (std::size_t at = bad.takes ? bench.complete() : 1; at <= bench.good().size();
             at += kStride) {
            std::vector<Unit> units = bench.good();
            units.insert(units.begin() + static_cast<std::ptrdiff_t>(at), bad.units.begin(),
                         bad.units.end());
            for (const Layout layout : kLayouts) {
                ++tried;
                EXPECT_NE(bench.verdict(units, layout), Verdict::kAffirmed)
                    << bad.name << " before unit " << at << ", layout " << static_cast<int>(layout);
            }
        }
    // What must be there and is not.
    for (std::size_t at = 0; at < bench.complete(); ++at)
        for (const Layout layout : kLayouts) {
            std::vector<Unit> units = bench.good();
            units.erase(units.begin() + static_cast<std::ptrdiff_t>(at));
            ++tried;
            EXPECT_NE(bench.verdict(units, layout), Verdict::kAffirmed) << "without unit " << at;
        }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("%zu mutations, %.1f s\n", tried, took.count());
    if (testing::kStep == 1) {
        EXPECT_GE(tried, 10'000u);
    }
}

}  // namespace mutation_test
}  // namespace keyscribe::appraise
