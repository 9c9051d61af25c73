// SPDX-License-Identifier: Apache-2.0
// Good evidence, in every signature scheme, and what becomes of it when one thing is changed: each
// forgery has a finding of its own.
#include "controller/service/appraise/appraise.h"

#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <thread>

#include "appraise_support.h"
#include "support.h"

namespace keyscribe::appraise {
namespace appraise_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::Buffer;
using testing::certificate;
using testing::Host;

const Buffer kNonce{1, 2, 3, 4, 5, 6, 7, 8};

Basis basis_of(const Host& host) {
    Basis basis;
    EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
    EXPECT_TRUE(basis.references.add(host.ima, "ima.der"));
    return basis;
}

AttestationKey key_of(const Host& host) {
    auto key = AttestationKey::from_pem(host.quote.pem());
    EXPECT_TRUE(key);
    return std::move(*key);
}

Appraisal appraise_bytes(Bytes evidence, const Basis& basis, const AttestationKey& key,
                         Bytes state = {}, unsigned threads = 1) {
    return appraise({.evidence = evidence,
                     .nonce = kNonce,
                     .keys = {&key, 1},
                     .now = std::time(nullptr),
                     .state = state,
                     .threads = threads},
                    basis);
}

/// The codes that count, in the order of their first appearance.
std::string codes_of(const Appraisal& appraisal, bool notes = false) {
    std::vector<std::string> codes;
    for (const Finding& finding : appraisal.findings)
        if ((notes || finding.weight != Weight::kNote) &&
            std::ranges::find(codes, finding.code) == codes.end())
            codes.emplace_back(finding.code);
    std::string text;
    for (const std::string& code : codes) text += (text.empty() ? "" : " ") + code;
    return text;
}

/// Every finding that counts, and the entry that it stems from: "key-unknown@7 ima-template@ima:2".
std::string findings_of(const Appraisal& appraisal) {
    std::string text;
    for (const Finding& finding : appraisal.findings) {
        if (finding.weight == Weight::kNote) continue;
        text += (text.empty() ? "" : " ") + std::string(finding.code);
        if (finding.entry)
            text += (finding.list == "ima" ? "@ima:" : "@") + std::to_string(*finding.entry);
        else
            EXPECT_EQ(finding.list, "");
    }
    return text;
}

/// What is wanted of the appraisal, beside the host.
struct Setting {
    Host host;
    Basis basis;
    std::shared_ptr<EVP_PKEY> expected_key;         ///< where it is not the host's
    std::function<void(evidence::Evidence&)> edit;  ///< of the evidence before it is encoded
    Setting() : basis(basis_of(host)) {}

    /// A host as it should be, with files that are signed.
    void good() {
        host.good();
        host.with_ima = true;
        host.kernel.aggregate(Host::aggregate_of(host.firmware()));
        host.file("/usr/bin/good", "good", host.ima_key.get());
    }
    Buffer encoded() {
        evidence::Evidence made = host.evidence();
        if (edit) edit(made);
        return evidence::encode_cbor(made);
    }
    Appraisal run() {
        bytes_ = encoded();
        auto expected = host.quote;
        if (expected_key) expected.key = expected_key;
        const auto key = AttestationKey::from_pem(expected.pem());
        EXPECT_TRUE(key);
        return appraise_bytes(bytes_, basis, *key);
    }

  private:
    Buffer bytes_;
};

TEST(Appraise, AGoodHostIsAffirmed) {
    Setting setting;
    setting.good();
    const auto result = setting.run();
    EXPECT_EQ(codes_of(result), "") << to_json(result, "");
    EXPECT_EQ(result.verdict, Verdict::kAffirmed);
    EXPECT_EQ(result.entries, setting.host.list.entries);
    EXPECT_EQ(result.keys, 2u);
    EXPECT_EQ(result.ima_entries, 2u);
    EXPECT_EQ(result.ima_signatures, 1u);
    EXPECT_EQ(result.boot_id, Host::kBootId);
    ASSERT_TRUE(result.claims);
    EXPECT_EQ(result.claims->reset_count, 7u);
}

TEST(Appraise, EverySignatureScheme) {
    struct Scheme {
        const char* name;
        std::shared_ptr<EVP_PKEY> key;
        TPMI_ALG_SIG_SCHEME scheme;
        Algorithm hash;
    };
    const std::vector<Scheme> schemes = {
        {"RSASSA 2048 SHA-256", Host::shared_key(0), TPM2_ALG_RSASSA, Algorithm::kSha256},
        {"RSASSA 2048 SHA-384", Host::shared_key(0), TPM2_ALG_RSASSA, Algorithm::kSha384},
        {"RSAPSS 2048 SHA-256", Host::shared_key(0), TPM2_ALG_RSAPSS, Algorithm::kSha256},
        {"RSAPSS 3072 SHA-512", testing::rsa_key(3072), TPM2_ALG_RSAPSS, Algorithm::kSha512},
        {"ECDSA P-256 SHA-256", testing::ec_key("P-256"), TPM2_ALG_ECDSA, Algorithm::kSha256},
        {"ECDSA P-384 SHA-384", testing::ec_key("P-384"), TPM2_ALG_ECDSA, Algorithm::kSha384},
    };
    for (const Scheme& scheme : schemes) {
        Setting setting;
        setting.good();
        setting.host.quote.key = scheme.key;
        setting.host.quote.scheme = scheme.scheme;
        setting.host.quote.hash = scheme.hash;
        const auto result = setting.run();
        EXPECT_EQ(result.verdict, Verdict::kAffirmed) << scheme.name << to_json(result, "");
        setting.host.quote.flip_signature = true;
        EXPECT_EQ(codes_of(setting.run()), "quote-signature") << scheme.name;
    }
}

/// Where the PCR is IMA's, the list begins with the entry that the kernel made itself.
TEST(Appraise, AListThatBeginsWithTheKernelsAggregate) {
    Setting setting;
    auto data = list::encode_ima_ng(Algorithm::kSha256, Host::aggregate_of(setting.host.firmware()),
                                    "boot_aggregate");
    data.resize(data.size() + 4);
    setting.host.list.add("ima-sig", data);
    setting.host.list.record("start", Host::speaker());
    setting.host.list.record("policy", {{"digest", cbor_bytes(filled(Algorithm::kSha256, 1))},
                                        {"generation", 1},
                                        {"files", json::array()}});
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
}

TEST(Appraise, JsonIsTheSame) {
    Setting setting;
    setting.good();
    const std::string text = evidence::encode_json(setting.host.evidence());
    const auto result = appraise_bytes(as_bytes(text), setting.basis, key_of(setting.host));
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
}

struct Forgery {
    const char* name;
    std::function<void(Setting&)> make;
    const char* findings;  ///< as findings_of() writes them
};

constexpr const char* kIma = ".ima";

/// A certificate of a key that nobody knows.
Buffer rogue(const Host& host, const std::string& name = "Rogue") {
    return certificate(Host::shared_key(3).get(), name, host.builtin_key.get(), "Build key");
}

/// The good list, built from entries as a test likes them.
void entries_as(Setting& setting, const std::function<void(std::vector<Buffer>&)>& change) {
    setting.good();
    auto& list = setting.host.list;
    std::vector<Buffer> entries;
    std::size_t begin = 0;
    for (const std::size_t end : list.offsets) {
        entries.emplace_back(list.bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                             list.bytes.begin() + static_cast<std::ptrdiff_t>(end));
        begin = end;
    }
    change(entries);
    list.bytes.clear();
    for (const Buffer& entry : entries)
        list.bytes.insert(list.bytes.end(), entry.begin(), entry.end());
    list.entries = entries.size();
}

/// Offset of an entry's template data: PCR, digest, sized name, size.
std::size_t data_at(const Buffer& entry) { return 4 + 20 + 4 + entry[24] + 4; }

/// With the template digest made right again.
void redigest(Buffer& entry) {
    const auto digest = hash(Algorithm::kSha1, Bytes(entry).subspan(data_at(entry)));
    std::copy_n(digest.bytes.begin(), 20, entry.begin() + 4);
}

const std::vector<Forgery>& forgeries() {
    static const std::vector<Forgery> all = {
        // The list, without touching the PCR.
        {"an entry dropped",
         [](Setting& s) { entries_as(s, [](auto& e) { e.erase(e.begin() + 6); }); }, "list-replay"},
        {"the last entry dropped", [](Setting& s) { entries_as(s, [](auto& e) { e.pop_back(); }); },
         "list-replay"},
        {"all entries dropped", [](Setting& s) { entries_as(s, [](auto& e) { e.clear(); }); },
         "list-replay"},
        {"an entry added in the middle",
         [](Setting& s) { entries_as(s, [](auto& e) { e.insert(e.begin() + 3, e[2]); }); },
         "list-replay"},
        {"two entries swapped",
         [](Setting& s) { entries_as(s, [](auto& e) { std::swap(e[6], e[7]); }); }, "list-replay"},
        {"an entry's PCR changed", [](Setting& s) { entries_as(s, [](auto& e) { e[6][0] = 14; }); },
         "list-replay"},
        {"an entry's template digest changed",
         [](Setting& s) { entries_as(s, [](auto& e) { e[6][4] ^= 1; }); },
         "list-template-digest@6"},
        {"an entry's template digest zeroed, as of a violation",
         [](Setting& s) { entries_as(s, [](auto& e) { std::fill_n(e[6].begin() + 4, 20, 0); }); },
         "list-replay"},
        {"an entry's template name changed",
         [](Setting& s) { entries_as(s, [](auto& e) { e[6][28 + 4] = 's'; }); }, "list-template@6"},
        {"a template renamed to one of the same shape",
         [](Setting& s) {
             entries_as(
                 s, [](auto& e) { std::ranges::copy(std::string("sig"), e[6].begin() + 28 + 4); });
         },
         "list-template@6"},
        {"an entry's payload digest changed",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6][data_at(e[6]) + 12] ^= 1;
                 redigest(e[6]);
             });
         },
         "list-payload-digest@6 list-replay"},
        {"an entry's keyring changed",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6][data_at(e[6]) + 4 + 40 + 4 + 1] = 'x';
                 redigest(e[6]);
             });
         },
         "list-replay"},
        {"an entry's payload changed, its digest right",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6].back() ^= 1;
                 redigest(e[6]);
             });
         },
         "list-payload-digest@6 list-replay"},
        {"a length near 2^32 in an entry",
         [](Setting& s) {
             entries_as(s, [](auto& e) { std::fill_n(e[6].begin() + 35, 4, 0xff); });
         },
         "list-malformed@6"},
        {"a template name's length near 2^32",
         [](Setting& s) {
             entries_as(s, [](auto& e) { std::fill_n(e[6].begin() + 24, 4, 0xff); });
         },
         "list-malformed@6"},
        {"a field's length near 2^32",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 std::fill_n(e[6].begin() + 39, 4, 0xff);
                 redigest(e[6]);
             });
         },
         "list-template@6 list-replay"},
        {"an entry's payload digest said to be of another algorithm",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 std::ranges::copy(std::string("sha512"), e[6].begin() + data_at(e[6]) + 4);
                 redigest(e[6]);
             });
         },
         "list-payload-digest@6 list-replay"},
        {"a keyring's name without its end",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6][data_at(e[6]) + 4 + 40 + 4 + 4] = 'x';
                 redigest(e[6]);
             });
         },
         "list-template@6 list-replay"},
        {"another count of entries",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.list.entries += 1; };
         },
         "list-count"},
        {"cut in the middle of the last entry",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.list.data = e.list.data.first(e.list.data.size() - 1); };
         },
         "list-malformed@7"},
        {"only what is new, from the middle",
         [](Setting& s) {
             s.good();
             s.host.from_entry = 5;
         },
         "state-missing"},

        // A host that measured it so: the PCR agrees, the content is wrong.
        {"a measured digest right and payload wrong",
         [](Setting& s) {
             s.good();
             auto data = list::encode_ima_buf(kIma, s.host.ima);
             data.back() ^= 1;
             s.host.list.add("ima-buf", data);
         },
         "list-payload-digest@8"},
        {"a violation in our list",
         [](Setting& s) {
             s.good();
             s.host.list.violation("x");
         },
         "list-violation@8"},
        {"a template of the kernel's in our list",
         [](Setting& s) {
             s.good();
             s.host.list.signed_file(filled(Algorithm::kSha256, 1), "/bin/x", Buffer{3, 2});
         },
         "list-template@8"},
        {"no boot_aggregate",
         [](Setting& s) {
             s.host.list.record("start", Host::speaker());
             s.host.list.record("policy", {{"digest", cbor_bytes(filled(Algorithm::kSha256, 1))}});
         },
         "list-start@0 list-start@1"},
        {"an empty list", [](Setting&) {}, "list-start"},
        {"a list that begins twice",
         [](Setting& s) {
             s.good();
             s.host.list.record("start", Host::speaker());
         },
         "list-start@8"},
        {"no policy",
         [](Setting& s) {
             s.host.list.aggregate();
             s.host.list.record("start", Host::speaker());
         },
         "policy-missing"},
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
         "record-malformed@8"},
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

        // The quote.
        {"another nonce",
         [](Setting& s) {
             s.good();
             s.host.quote.nonce.back() ^= 1;
         },
         "quote-nonce"},
        {"a longer nonce",
         [](Setting& s) {
             s.good();
             s.host.quote.nonce.push_back(0);
         },
         "quote-nonce"},
        {"no nonce",
         [](Setting& s) {
             s.good();
             s.host.quote.nonce.clear();
         },
         "quote-nonce"},
        {"another key, and the evidence says so",
         [](Setting& s) {
             s.good();
             s.expected_key = Host::shared_key(4);
         },
         "ak-mismatch"},
        {"another key, and the evidence hides it",
         [](Setting& s) {
             s.good();
             s.edit = [ak = Buffer()](auto& e) mutable {
                 testing::QuoteMaker other;
                 other.key = Host::shared_key(4);
                 ak = other.tpmt_public();
                 e.ak = ak;
             };
             s.expected_key = Host::shared_key(4);
         },
         "quote-signature"},
        {"a key that signs anything",
         [](Setting& s) {
             s.good();
             s.host.quote.attributes &= ~TPMA_OBJECT_RESTRICTED;
         },
         "ak-not-restricted"},
        {"a key that came from outside of the TPM",
         [](Setting& s) {
             s.good();
             s.host.quote.attributes &= ~TPMA_OBJECT_FIXEDTPM;
         },
         "ak-not-restricted"},
        {"another name of the key",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ak_name = as_bytes("not the name"); };
         },
         "ak-name"},
        {"a key that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ak = e.ak.first(e.ak.size() - 1); };
         },
         "ak-malformed"},
        {"not from within a TPM",
         [](Setting& s) {
             s.good();
             s.host.quote.magic = 0x12345678;
         },
         "quote-magic"},
        {"a certification instead of a quote",
         [](Setting& s) {
             s.good();
             s.host.quote.type = TPM2_ST_ATTEST_CERTIFY;
         },
         "quote-type"},
        {"a quote that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) {
                 e.quotes[0].attest = e.quotes[0].attest.first(e.quotes[0].attest.size() - 1);
             };
         },
         "quote-malformed"},
        {"one bit of the signature",
         [](Setting& s) {
             s.good();
             s.host.quote.flip_signature = true;
         },
         "quote-signature"},
        {"a signature over SHA-1",
         [](Setting& s) {
             s.good();
             s.host.quote.hash = Algorithm::kSha1;
         },
         "quote-signature"},
        {"a signature that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.quotes[0].signature = e.quotes[0].signature.first(100); };
         },
         "quote-signature"},
        {"another PCR's quote",
         [](Setting& s) {
             s.good();
             s.host.first_pcrs[Algorithm::kSha256][14] = s.host.list.pcrs()[Algorithm::kSha256][13];
         },
         "quote-selection"},
        {"the evidence names another PCR",
         [](Setting& s) {
             s.good();
             s.host.pcr = 16;
         },
         "evidence-pcr"},
        {"PCR values that are not the quoted ones",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.quotes[0].pcrs[Algorithm::kSha256][13].bytes[0] ^= 1; };
         },
         "quote-digest"},
        {"a PCR value more than was quoted",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) {
                 e.quotes[0].pcrs[Algorithm::kSha256][14] = filled(Algorithm::kSha256, 0);
             };
         },
         "quote-selection"},
        {"only the weak bank",
         [](Setting& s) {
             s.good();
             s.host.first_pcrs = s.host.list.pcrs();
             s.host.first_pcrs.erase(Algorithm::kSha256);
         },
         "quote-banks"},
        {"a bank that was never extended",
         [](Setting& s) {
             s.good();
             s.host.first_pcrs = s.host.list.pcrs();
             s.host.first_pcrs[Algorithm::kSha1][13] = filled(Algorithm::kSha1, 0);
         },
         "list-replay"},
        {"quotes of two boots",
         [](Setting& s) {
             s.good();
             s.edit = [later = Buffer(), sig = Buffer(), &host = s.host](auto& e) mutable {
                 auto maker = host.quote;
                 ++maker.reset_count;
                 later = maker.attest(e.quotes[1].pcrs);
                 sig = maker.sign(later);
                 e.quotes[1].attest = later;
                 e.quotes[1].signature = sig;
             };
         },
         "quote-boots"},
        {"the list of another boot",
         [](Setting& s) {
             s.good();
             s.host.boot_id = "another";
         },
         "boot-id@1"},
        {"the firmware's PCRs are others",
         [](Setting& s) {
             s.good();
             s.host.second_pcrs = s.host.firmware();
             s.host.second_pcrs[Algorithm::kSha256][4].bytes[3] ^= 1;
         },
         "boot-aggregate@0 boot-aggregate@ima:0"},

        // Keys.
        {"an unknown key",
         [](Setting& s) {
             s.good();
             s.host.key(kIma, rogue(s.host), 301, "Rogue: 1");
         },
         "key-unknown@9"},
        {"an unknown key that was taken away again",
         [](Setting& s) {
             s.good();
             s.host.key(kIma, rogue(s.host), 301, "Rogue: 1");
             s.host.event("unlink", 301, kIma, "Rogue: 1");
         },
         "key-unknown@9"},
        {"the same name and another key",
         [](Setting& s) {
             s.good();
             s.host.key(kIma, rogue(s.host, "File signer"), 301, "File signer: 1");
         },
         "key-same-name@9"},
        {"the same key and another name",
         [](Setting& s) {
             s.good();
             s.host.key(
                 kIma,
                 certificate(s.host.ima_key.get(), "Other", s.host.builtin_key.get(), "Build key"),
                 301, "Other: 1");
         },
         "key-other-certificate@9"},
        {"an unknown public key in the baseline",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("baseline", 400, "staging", 9, "x");
             fields["public_key"] = cbor_bytes(testing::spki_bits(Host::shared_key(3).get()));
             fields["algorithm"] = "rsa";
             s.host.list.record("baseline", fields);
         },
         "key-unknown@8"},
        {"a key of which nothing is known",
         [](Setting& s) {
             s.good();
             s.host.event("create", 400, "staging", "x");
         },
         "key-unidentified@8"},
        {"a key that was reference value of another keyring",
         [](Setting& s) {
             s.good();
             EXPECT_TRUE(s.basis.references.add(rogue(s.host), "x.der", "elsewhere"));
             s.host.key(kIma,
                        Buffer(s.basis.references.all().back().view.der.begin(),
                               s.basis.references.all().back().view.der.end()),
                        301, "x");
         },
         "key-unknown@9"},
        {"an expired certificate",
         [](Setting& s) {
             s.good();
             const Buffer old =
                 certificate(Host::shared_key(3).get(), "Old", s.host.builtin_key.get(),
                             "Build key", {.not_before = 1000, .not_after = 2000});
             EXPECT_TRUE(s.basis.references.add(old, "old.der"));
             s.host.key(kIma, old, 301, "Old: 1");
         },
         "key-expired@9"},
        {"a certificate of the future",
         [](Setting& s) {
             s.good();
             const Buffer young =
                 certificate(Host::shared_key(3).get(), "Young", s.host.builtin_key.get(),
                             "Build key", {.not_before = std::time(nullptr) + 3600});
             EXPECT_TRUE(s.basis.references.add(young, "young.der"));
             s.host.key(kIma, young, 301, "Young: 1");
         },
         "key-not-yet-valid@9"},
        {"a revoked key",
         [](Setting& s) {
             s.good();
             s.host.event("revoke", 300, kIma, "File signer: 11");
         },
         "key-revoked@8"},
        {"a key that was revoked before the recording began",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("baseline", 300, kIma, 101, "File signer: 11");
             fields["state"] = json::array({"revoked"});
             s.host.list.record("baseline", fields);
         },
         "key-revoked@8"},
        {"a key whose timeout is over",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("link", 300, "staging", 9, "File signer: 11");
             fields["expiry"] = 1000;
             s.host.list.record("link", fields);
         },
         "key-expired@8"},
        {"a blocked certificate",
         [](Setting& s) {
             s.good();
             s.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(s.host.ima)), "blocked");
         },
         "key-blocked@7"},
        {"a blocked public key, that only the baseline has",
         [](Setting& s) {
             s.good();
             s.basis.blocked_keys = *BlockedKeys::parse(
                 "# why\n" + to_hex(sha256(testing::spki_bits(s.host.builtin_key.get()))) +
                     " why\n",
                 "blocked");
         },
         "key-blocked@4"},
        {"a required key is missing",
         [](Setting& s) {
             s.good();
             EXPECT_TRUE(s.basis.references.add(rogue(s.host), "must.der"));
             s.basis.policy.keys.required = {"must.der"};
         },
         "key-missing"},
        {"a required key was taken away",
         [](Setting& s) {
             s.good();
             s.basis.policy.keys.required = {"*"};
             s.host.event("unlink", 300, kIma, "File signer: 11");
         },
         "key-missing"},
        {"a keyring that nobody watches is linked in",
         [](Setting& s) {
             s.good();
             s.host.list.record("link",
                                s.host.key_fields("link", 500, kIma, 101, "hidden", "keyring"));
         },
         "keyring-unwatched@8"},
        {"a key that nobody vouches for",
         [](Setting& s) {
             s.good();
             const Buffer self =
                 certificate(Host::shared_key(3).get(), "Self", Host::shared_key(3).get(), "Self");
             EXPECT_TRUE(s.basis.references.add(self, "self.der"));
             s.host.key(kIma, self, 301, "Self: 1");
         },
         "chain-broken@9"},
        {"a key under the name of a signer, signed by another",
         [](Setting& s) {
             s.good();
             const Buffer fake = certificate(Host::shared_key(3).get(), "Fake",
                                             Host::shared_key(4).get(), "Build key");
             EXPECT_TRUE(s.basis.references.add(fake, "fake.der"));
             s.host.key(kIma, fake, 301, "Fake: 1");
         },
         "chain-broken@9"},
        {"a key signed over SHA-1",
         [](Setting& s) {
             s.good();
             const Buffer weak =
                 certificate(Host::shared_key(3).get(), "Weak", s.host.builtin_key.get(),
                             "Build key", {.digest = EVP_sha1()});
             EXPECT_TRUE(s.basis.references.add(weak, "weak.der"));
             s.host.key(kIma, weak, 301, "Weak: 1");
         },
         "chain-broken@9"},
        {"a signer that came after what it signed",
         [](Setting& s) {
             s.good();
             const auto middle_key = Host::shared_key(3), leaf_key = Host::shared_key(4);
             const Buffer middle =
                 certificate(middle_key.get(), "Middle", s.host.builtin_key.get(), "Build key");
             const Buffer leaf = certificate(leaf_key.get(), "Leaf", middle_key.get(), "Middle");
             EXPECT_TRUE(s.basis.references.add(middle, "middle.der"));
             EXPECT_TRUE(s.basis.references.add(leaf, "leaf.der"));
             s.host.key(kIma, leaf, 301, "Leaf: 1");
             s.host.key(".secondary_trusted_keys", middle, 302, "Middle: 1");
         },
         "chain-order@9"},
        {"a signer that had gone before what it signed came",
         [](Setting& s) {
             s.good();
             s.host.event("unlink", 200, ".builtin_trusted_keys", "Build key: 00");
             EXPECT_TRUE(s.basis.references.add(rogue(s.host), "x.der"));
             s.host.key(kIma, s.basis.references.all().back().view.der, 301, "x");
         },
         "chain-order@10"},

        // What the records tell.
        {"lost events",
         [](Setting& s) {
             s.good();
             s.host.list.record("loss", {{"first", 5}, {"last", 7}, {"count", 3}});
         },
         "events-lost@8"},
        {"missed events",
         [](Setting& s) {
             s.good();
             s.host.list.record("missed", {{"count", 3}});
         },
         "events-missed@8"},
        {"dropped events",
         [](Setting& s) {
             s.good();
             s.host.list.record("drop",
                                {{"reason", "size"}, {"first", 5}, {"last", 7}, {"count", 3}});
         },
         "events-dropped@8"},
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
         "restarted@8"},
        {"a detached program",
         [](Setting& s) {
             s.good();
             s.host.list.record("detached", {{"time", 1}, {"what", "x"}});
         },
         "detached@8"},
        {"a list that was repaired",
         [](Setting& s) {
             s.good();
             s.host.list.record("tampered", {{"time", 1}, {"what", "x"}});
         },
         "tampered@8"},
        {"a TPM that was reset",
         [](Setting& s) {
             s.good();
             s.host.list.record("tpm", {{"time", 1}, {"what", "x"}});
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

        // The kernel's list.
        {"no kernel's list, where one is wanted",
         [](Setting& s) {
             s.host.good();
             s.basis.policy.ima.required = true;
         },
         "ima-missing"},
        {"a kernel's list without a quote",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.quotes.pop_back(); };
         },
         "ima-not-quoted"},
        {"a file that was taken out of the kernel's list",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) {
                 e.ima->data = e.ima->data.first(e.ima->data.size() / 3);
                 list::ListReader reader(e.ima->data);
                 while (true)
                     if (const auto one = reader.next(); !one || !*one) break;
                 e.ima->data = e.ima->data.first(reader.offset());
                 e.ima->entries = 1;
             };
         },
         "ima-replay"},
        {"a kernel's list that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ima->data = e.ima->data.first(e.ima->data.size() - 1); };
         },
         "ima-malformed@ima:1"},
        {"two entries of the kernel's list swapped",
         [](Setting& s) {
             s.good();
             s.edit = [swapped = Buffer(), first = s.host.kernel.offsets[0]](auto& e) mutable {
                 const Bytes list = e.ima->data;
                 swapped.assign(list.begin() + static_cast<std::ptrdiff_t>(first), list.end());
                 swapped.insert(swapped.end(), list.begin(),
                                list.begin() + static_cast<std::ptrdiff_t>(first));
                 e.ima->data = swapped;
             };
         },
         "ima-replay"},
        {"an entry added to the kernel's list",
         [](Setting& s) {
             s.good();
             s.edit = [longer = Buffer(), first = s.host.kernel.offsets[0]](auto& e) mutable {
                 const Bytes list = e.ima->data;
                 longer.assign(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(first));
                 longer.insert(longer.end(), list.begin(), list.end());
                 e.ima->data = longer;
                 ++e.ima->entries;
             };
         },
         "ima-replay"},
        {"a length near 2^32 in the kernel's list",
         [](Setting& s) {
             s.good();
             std::fill_n(s.host.kernel.bytes.begin() + 24, 4, 0xff);
         },
         "ima-malformed@ima:0"},
        {"another count of the kernel's entries",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ima->entries += 1; };
         },
         "ima-count"},
        {"a template digest in the kernel's list",
         [](Setting& s) {
             s.good();
             s.host.kernel.bytes[5] ^= 1;
         },
         "ima-template-digest@ima:0"},
        {"a payload of the kernel's list",
         [](Setting& s) {
             s.good();
             auto data = list::encode_ima_buf(kIma, s.host.ima);
             data.back() ^= 1;
             s.host.kernel.add("ima-buf", data);
         },
         "ima-payload-digest@ima:2"},
        {"a file signed by an unknown key",
         [](Setting& s) {
             s.good();
             s.host.file("/bin/evil", "evil", Host::shared_key(3).get());
         },
         "ima-signature-key@ima:2"},
        {"a file that was changed after it was signed",
         [](Setting& s) {
             s.good();
             const Digest signed_one = hash(Algorithm::kSha256, as_bytes("before"));
             const Digest now = hash(Algorithm::kSha256, as_bytes("after"));
             s.host.kernel.signed_file(now, "/bin/x",
                                       Host::ima_signature(s.host.ima_key.get(), signed_one));
         },
         "ima-signature@ima:2"},
        {"a signature of another form",
         [](Setting& s) {
             s.good();
             s.host.kernel.signed_file(hash(Algorithm::kSha256, {}), "/bin/x",
                                       Buffer{3, 1, 4, 0, 0, 0, 0, 0, 0});
         },
         "ima-signature-malformed@ima:2"},
        {"a signature's length that does not add up",
         [](Setting& s) {
             s.good();
             const Digest digest = hash(Algorithm::kSha256, as_bytes("x"));
             Buffer signature = Host::ima_signature(s.host.ima_key.get(), digest);
             signature[7] = 0xff;
             s.host.kernel.signed_file(digest, "/bin/x", signature);
         },
         "ima-signature-malformed@ima:2"},
        {"a file signed by a key that came later",
         [](Setting& s) {
             s.good();
             EXPECT_TRUE(s.basis.references.add(rogue(s.host, "Late"), "late.der"));
             const Bytes late = s.basis.references.all().back().view.der;
             s.host.key(kIma, late, 301, "Late: 1");
             s.host.file("/bin/x", "x", Host::shared_key(3).get());
             s.host.kernel.buf(kIma, late);
         },
         "ima-signer-later@ima:2"},
        {"a file without a signature, where all must have one",
         [](Setting& s) {
             s.good();
             s.basis.policy.ima.require_signatures = true;
             s.host.file("/bin/x", "x", nullptr);
         },
         "ima-unsigned@ima:2"},
        {"a violation in the kernel's list",
         [](Setting& s) {
             s.good();
             s.host.kernel.violation("/var/log/x");
         },
         "ima-violation@ima:2"},
        {"a template that nobody knows",
         [](Setting& s) {
             s.good();
             s.host.kernel.add("ima-new", Buffer{1, 2, 3});
         },
         "ima-template@ima:2"},
        {"a blocked file",
         [](Setting& s) {
             s.good();
             s.basis.blocked_files = *BlockedFiles::parse(
                 to_hex(hash(Algorithm::kSha256, as_bytes("bad"))) + "  /usr/bin/bad\n", "blocked");
             s.host.file("/opt/renamed", "bad", s.host.ima_key.get());
         },
         "file-blocked@ima:2"},
        {"blocked files in a digest that nothing was measured with",
         [](Setting& s) {
             s.good();
             s.basis.blocked_files =
                 *BlockedFiles::parse("sha512:" + std::string(128, 'a'), "blocked");
         },
         "file-uncomparable@ima:1"},
    };
    return all;
}

TEST(Appraise, EveryForgeryHasItsFinding) {
    EXPECT_GE(forgeries().size(), 40u);
    for (const Forgery& forgery : forgeries()) {
        Setting setting;
        forgery.make(setting);
        const auto result = setting.run();
        EXPECT_EQ(findings_of(result), forgery.findings) << forgery.name << '\n'
                                                         << to_json(result, "");
        ASSERT_NE(result.verdict, Verdict::kAffirmed) << forgery.name;
        for (const Finding& finding : result.findings) EXPECT_FALSE(finding.sentence.empty());
        // A code has one weight, so the first one says what the verdict has to be.
        const bool unusable = result.findings.front().weight == Weight::kUnusable;
        EXPECT_EQ(result.verdict, unusable ? Verdict::kUnusable : Verdict::kContraindicated)
            << forgery.name;
        EXPECT_EQ(result.next.has_value(), !unusable) << forgery.name;
    }
}

TEST(Appraise, TruncatedAnywhereItIsUnusable) {
    Setting setting;
    setting.good();
    const Buffer bytes = setting.encoded();
    const auto key = key_of(setting.host);
    ASSERT_GT(bytes.size(), 4096u);
    for (std::size_t size = 0; size < 4096; size += testing::kStep) {
        const auto result = appraise_bytes(Bytes(bytes).first(size), setting.basis, key);
        ASSERT_EQ(result.verdict, Verdict::kUnusable) << size;
        ASSERT_EQ(codes_of(result), "evidence-malformed") << size;
    }
}

/// Every length in the envelope, in turn: the largest that fit into 32 and 64 bits.
TEST(Appraise, LengthsOfTheEnvelopeNearTheirLimitAreUnusable) {
    Setting setting;
    setting.good();
    const Buffer good = setting.encoded();
    const auto key = key_of(setting.host);
    std::size_t lengths = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
        // Heads of byte strings and text with a length of 1, 2 or 4 bytes behind them.
        const unsigned size = good[at] & 31, major = good[at] >> 5;
        if ((major != 2 && major != 3) || size < 24 || size > 26) continue;
        const std::size_t skip = std::size_t{1} << (size - 24);
        for (const std::uint8_t last : {0xff, 0xfe, 0xf0}) {
            Buffer bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
            bytes.push_back(static_cast<std::uint8_t>(major << 5 | 26));
            bytes.insert(bytes.end(), {0xff, 0xff, 0xff, last});
            bytes.insert(
                bytes.end(),
                good.begin() + static_cast<std::ptrdiff_t>(std::min(at + 1 + skip, good.size())),
                good.end());
            const auto result = appraise_bytes(bytes, setting.basis, key);
            ASSERT_EQ(result.verdict, Verdict::kUnusable) << at;
            ++lengths;
        }
    }
    EXPECT_GT(lengths, 20u);
}

TEST(Appraise, OneBitAnywhereIsNeverAffirmedForAnotherList) {
    Setting setting;
    setting.good();
    const Buffer good = setting.encoded();
    const auto key = key_of(setting.host);
    for (std::size_t at = 0; at < good.size(); at += 3 * testing::kStep) {
        Buffer bytes = good;
        bytes[at] ^= static_cast<std::uint8_t>(1 << (at % 8));
        const auto result = appraise_bytes(bytes, setting.basis, key);
        if (result.verdict != Verdict::kAffirmed) continue;
        // What nothing vouches for, and no verdict rests on: time, kernel, software.
        const auto before = evidence::decode(good), after = evidence::decode(bytes);
        ASSERT_TRUE(after);
        EXPECT_TRUE(std::ranges::equal(before->evidence.list.data, after->evidence.list.data))
            << at;
        EXPECT_TRUE(std::ranges::equal(before->evidence.ima->data, after->evidence.ima->data))
            << at;
        EXPECT_EQ(before->evidence.boot_id, after->evidence.boot_id);
        EXPECT_EQ(before->evidence.quotes[0].pcrs, after->evidence.quotes[0].pcrs);
    }
}

TEST(Appraise, WhatLiesBeyondTheQuoteIsLag) {
    Setting setting;
    setting.good();
    setting.host.first_pcrs = setting.host.list.pcrs();
    setting.host.key(kIma, rogue(setting.host), 301, "Rogue: 1");
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "list-lag");
    EXPECT_EQ(result.entries_beyond, 2u);
}

TEST(Appraise, ABankThatTheKernelPadsIsToldAndNoMore) {
    Setting setting;
    setting.good();
    evidence::PcrSet pcrs = setting.host.firmware();
    Digest value = filled(Algorithm::kSha384, 0), other = value;
    list::ListReader reader(setting.host.kernel.bytes);
    for (;;) {
        const auto entry = reader.next();
        ASSERT_TRUE(entry);
        if (!*entry) break;
        Digest padded = hash(Algorithm::kSha1, (*entry)->template_data);
        padded.size = 48;
        value = list::extended(Algorithm::kSha384, value, padded);
    }
    pcrs[Algorithm::kSha384][10] = value;
    setting.host.second_pcrs = pcrs;
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "ima-padded");
    setting.host.second_pcrs[Algorithm::kSha384][10] = other;
    EXPECT_EQ(codes_of(setting.run()), "ima-replay");
}

TEST(Appraise, ManyThreadsFindTheSame) {
    Setting setting;
    setting.good();
    for (int i = 0; i < 6000; ++i) setting.host.list.buf("staging", setting.host.ima);
    setting.host.list.buf("staging", rogue(setting.host));
    const Buffer bytes = setting.encoded();
    const auto key = key_of(setting.host);
    const auto one = appraise_bytes(bytes, setting.basis, key);
    EXPECT_EQ(codes_of(one), "key-unknown");
    for (const unsigned threads : {2u, 3u, 8u})
        EXPECT_EQ(to_json(appraise_bytes(bytes, setting.basis, key, {}, threads), ""),
                  to_json(one, ""));
}

TEST(Appraise, OneBasisServesManyThreadsAtOnce) {
    Setting good, bad;
    good.good();
    bad.good();
    bad.host.key(kIma, rogue(bad.host), 301, "Rogue: 1");
    const Buffer affirmed = good.encoded(), contraindicated = bad.encoded();
    const auto key = key_of(good.host);
    for (const Buffer* cert : {&bad.host.builtin, &bad.host.ima})
        ASSERT_TRUE(good.basis.references.add(*cert, "other.der"));
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            EXPECT_EQ(codes_of(appraise_bytes(affirmed, good.basis, key)), "");
            EXPECT_EQ(codes_of(appraise_bytes(contraindicated, good.basis, key)), "key-unknown");
        });
}

TEST(Appraise, WhatThePolicyAllowsIsANote) {
    Setting setting;
    setting.good();
    setting.host.event("revoke", 300, kIma, "File signer: 11");
    json again = Host::speaker();
    again["entries"] = setting.host.list.entries;
    setting.host.list.record("restart", again);
    setting.host.kernel.violation("/var/log/x");
    auto policy = parse_policy(
        "[keys]\nallow_revoked = true\n[host]\nallow_restart = true\n[ima]\nallow_violations = "
        "true",
        "appraisal.toml");
    ASSERT_TRUE(policy) << to_string(policy.error());
    setting.basis.policy = *policy;
    const auto result = setting.run();
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "key-revoked restarted key-missing ima-violation");
}

// The kept state.

Buffer kept(const Appraisal& appraisal) {
    EXPECT_TRUE(appraisal.next);
    const std::string header = appraisal.next->header();
    Buffer bytes(header.begin(), header.end());
    bytes.insert(bytes.end(), appraisal.next->kept.begin(), appraisal.next->kept.end());
    bytes.insert(bytes.end(), appraisal.next->added.begin(), appraisal.next->added.end());
    return bytes;
}

class KeptStates : public ::testing::Test {
  protected:
    KeptStates() : basis_(basis_of(host_)), key_(key_of(host_)) { host_.good(); }
    Appraisal run(Bytes state) {
        bytes_.push_back(host_.encoded());
        return appraise_bytes(bytes_.back(), basis_, key_, state);
    }
    Host host_;
    Basis basis_;
    AttestationKey key_;
    std::list<Buffer> bytes_;
};

TEST_F(KeptStates, WhatIsNewGoesOnFromThere) {
    const Buffer first = kept(run({}));
    host_.from_entry = host_.list.entries;
    const auto nothing_new = run(first);
    EXPECT_EQ(codes_of(nothing_new), "") << to_json(nothing_new, "");
    EXPECT_EQ(nothing_new.verdict, Verdict::kAffirmed);

    const Buffer second_cert =
        certificate(Host::shared_key(5).get(), "Second", host_.builtin_key.get(), "Build key");
    ASSERT_TRUE(basis_.references.add(second_cert, "second.der"));
    host_.key(kIma, second_cert, 301, "Second: 1");
    host_.quote.clock += 10;
    const auto more = run(first);
    // Its signer stands in the part that is kept.
    EXPECT_EQ(codes_of(more), "") << to_json(more, "");
    EXPECT_EQ(more.keys, 3u);
    EXPECT_EQ(more.entries, host_.list.entries);

    const Buffer second = kept(more);
    host_.from_entry = host_.list.entries;
    host_.key(kIma, rogue(host_), 302, "Rogue: 1");
    EXPECT_EQ(codes_of(run(second)), "key-unknown");
    EXPECT_EQ(codes_of(run(first)), "state-gap");
    EXPECT_EQ(codes_of(run({})), "state-missing");
    host_.from_entry = 0;
    EXPECT_EQ(codes_of(run(second)), "key-unknown")
        << "the whole list, which begins with what is kept";
}

TEST_F(KeptStates, AKeyThatWasRogueBeforeIsStillTold) {
    host_.key(kIma, rogue(host_), 301, "Rogue: 1");
    const auto first = run({});
    EXPECT_EQ(first.verdict, Verdict::kContraindicated);
    const Buffer state = kept(first);
    host_.from_entry = host_.list.entries;
    host_.event("unlink", 301, kIma, "Rogue: 1");
    EXPECT_EQ(codes_of(run(state)), "key-unknown");
}

TEST_F(KeptStates, AListThatDoesNotGoOnIsUnusable) {
    const Buffer state = kept(run({}));
    Host other;
    other.begin();
    host_.list = other.list;
    EXPECT_EQ(codes_of(run(state)), "state-diverged");
}

TEST_F(KeptStates, ANewBootBeginsAnew) {
    const Buffer state = kept(run({}));
    host_.quote.reset_count += 2;
    host_.quote.restart_count = 0;
    const auto result = run(state);
    EXPECT_EQ(result.verdict, Verdict::kAffirmed) << to_json(result, "");
    EXPECT_EQ(codes_of(result, true), "boot-new");
    host_.from_entry = host_.list.entries - 1;
    EXPECT_EQ(codes_of(run(state)), "state-missing");
}

TEST_F(KeptStates, AResumedTpmKeepsItsPcrs) {
    const Buffer state = kept(run({}));
    host_.quote.restart_count += 1;
    const auto result = run(state);
    EXPECT_EQ(result.verdict, Verdict::kAffirmed);
    EXPECT_EQ(codes_of(result, true), "tpm-resumed");
}

TEST_F(KeptStates, CountersDoNotGoBack) {
    const Buffer state = kept(run({}));
    host_.quote.clock -= 1;
    EXPECT_EQ(codes_of(run(state)), "state-back");
    host_.quote.reset_count -= 1;
    EXPECT_EQ(codes_of(run(state)), "state-back");
}

TEST_F(KeptStates, ADamagedStateIsSaid) {
    const Buffer state = kept(run({}));
    EXPECT_EQ(codes_of(run(Bytes(state).first(state.size() - 1))), "state-unreadable");
    EXPECT_EQ(codes_of(run(as_bytes("{}\n"))), "state-unreadable");
    EXPECT_EQ(codes_of(run(as_bytes("nonsense"))), "state-unreadable");
}

// The policy and the reference values.

TEST(AppraisalPolicy, TheFileHasTheDefaults) {
    const std::string file = FIXTURES "/../../controller/service/appraise/appraisal.toml";
    const auto parsed = parse_policy(testing::read_file(file), file);
    ASSERT_TRUE(parsed) << to_string(parsed.error());
    const AppraisalPolicy defaults;
    EXPECT_EQ(parsed->evidence.pcr, defaults.evidence.pcr);
    EXPECT_EQ(parsed->evidence.banks, defaults.evidence.banks);
    EXPECT_EQ(parsed->keyrings.watched, defaults.keyrings.watched);
    EXPECT_EQ(parsed->keyrings.exempt, defaults.keyrings.exempt);
    EXPECT_EQ(parsed->keyrings.types, defaults.keyrings.types);
    EXPECT_EQ(parsed->chain.signers, defaults.chain.signers);
    EXPECT_EQ(parsed->chain.reference_suffices, defaults.chain.reference_suffices);
    EXPECT_EQ(parsed->ima.signers, defaults.ima.signers);
    EXPECT_EQ(parsed->host.allow_restart, defaults.host.allow_restart);
    EXPECT_EQ(parsed->host.allow_policy_change, defaults.host.allow_policy_change);
}

TEST(AppraisalPolicy, WhatIsWrongIsSaidWithItsPlace) {
    const auto where = [](const char* text) {
        const auto parsed = parse_policy(text, "p");
        EXPECT_FALSE(parsed) << text;
        return parsed ? std::string() : parsed.error().where;
    };
    EXPECT_EQ(where("[keys]\nallow_expierd = true"), "p:2:1");
    EXPECT_EQ(where("[key]"), "p:1:2");
    EXPECT_EQ(where("[keys]\nallow_expired = 1"), "p:2:17");
    EXPECT_EQ(where("[evidence]\npcr = 24"), "p:2:7");
    EXPECT_EQ(where("[evidence]\nbanks = [\"sha1\"]"), "p:2:9");
    EXPECT_EQ(where("[host]\nbpf = [\"ABC\"]"), "p:2:7");
    EXPECT_EQ(where("[chain.signers]\n\".ima\" = 3").substr(0, 2), "p:");
    EXPECT_FALSE(parse_policy("[#", "p"));
}

TEST(ReferenceValues, PemDerAndBundles) {
    const Host host;
    const testing::TempDir directory;
    const auto pem = [](const Buffer& der) {
        Owned<BIO> bio(BIO_new(BIO_s_mem()));
        PEM_write_bio(bio.get(), "CERTIFICATE", "", der.data(), static_cast<long>(der.size()));
        char* text = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &text);
        return std::string(text, static_cast<std::size_t>(size));
    };
    const auto text = [](const Buffer& bytes) { return std::string(bytes.begin(), bytes.end()); };
    std::filesystem::create_directory(directory / ".ima");
    testing::write_file(directory / "a.pem", "a comment\n" + pem(host.builtin) + pem(host.ima));
    testing::write_file(directory / "b.der", text(host.builtin) + text(host.ima));
    testing::write_file(directory / ".ima/c.der", text(host.ima));
    const auto values = ReferenceValues::load(directory);
    ASSERT_TRUE(values) << to_string(values.error());
    ASSERT_EQ(values->all().size(), 5u);
    EXPECT_EQ(values->by_certificate(sha256(host.ima))->size(), 3u);
    EXPECT_EQ(values->by_public_key(sha256(testing::spki_bits(host.ima_key.get())))->size(), 3u);
    EXPECT_EQ(values->all()[0].keyring, ".ima");
    EXPECT_EQ(keyrings::display_name(values->all()[0].view), "File signer");

    testing::write_file(directory / "d.pem",
                        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    EXPECT_FALSE(ReferenceValues::load(directory));
    testing::write_file(directory / "d.pem", text(host.ima).substr(1));
    EXPECT_FALSE(ReferenceValues::load(directory));
    const testing::TempDir empty;
    EXPECT_FALSE(ReferenceValues::load(empty));
    EXPECT_FALSE(ReferenceValues::load(empty / "none"));
}

TEST(ReferenceValues, CertificatesAsOpenSslReadsThem) {
    const Host host;
    const auto view = keyrings::view_certificate(host.ima);
    ASSERT_TRUE(view);
    const unsigned char* der = host.ima.data();
    const Owned<X509> certificate(d2i_X509(nullptr, &der, static_cast<long>(host.ima.size())));
    std::tm time{};
    ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time);
    EXPECT_EQ(view->not_after, ::timegm(&time));
    const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate.get());
    ASSERT_TRUE(view->subject_key_id);
    EXPECT_TRUE(std::ranges::equal(
        *view->subject_key_id,
        Bytes(ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id)))));
    for (std::size_t size = 0; size < host.ima.size(); ++size)
        EXPECT_FALSE(keyrings::view_certificate(Bytes(host.ima).first(size))) << size;
}

TEST(AttestationKeys, AreTheSameInPemAndInTpmtPublic) {
    for (const char* curve : {"P-256", "P-384"}) {
        // A TPM pads a coordinate with zeros, one in 256 begins with one; OpenSSL writes numbers.
        testing::QuoteMaker maker;
        maker.scheme = TPM2_ALG_ECDSA;
        do {
            maker.key = testing::ec_key(curve);
        } while (testing::spki_bits(maker.key.get())[1] != 0);
        const auto key = AttestationKey::from_pem(maker.pem());
        const auto of_tpm = parse_public(maker.tpmt_public());
        ASSERT_TRUE(key && of_tpm) << curve;
        EXPECT_EQ(of_tpm->numbers, key->numbers()) << curve;
        maker.key = testing::ec_key(curve);
        EXPECT_NE(parse_public(maker.tpmt_public())->numbers, key->numbers()) << curve;
    }
    testing::QuoteMaker maker;
    for (const unsigned bits : {2048u, 3072u}) {
        maker.key = testing::rsa_key(bits);
        const auto key = AttestationKey::from_pem(maker.pem());
        const auto of_tpm = parse_public(maker.tpmt_public());
        ASSERT_TRUE(key && of_tpm) << bits;
        EXPECT_EQ(of_tpm->numbers, key->numbers()) << bits;
    }
    maker.key = testing::rsa_key(1024);
    EXPECT_FALSE(parse_public(maker.tpmt_public()));
    EXPECT_FALSE(AttestationKey::from_pem(maker.pem()));
}

TEST(BlockedFiles, AsSha256sumWritesThem) {
    const std::string digest(64, 'b');
    const auto files = BlockedFiles::parse(
        "\n# comment\n" + digest + "  /bin/x\nsha1:" + std::string(40, 'c') + "\n", "f");
    ASSERT_TRUE(files);
    EXPECT_TRUE(files->contains(Buffer(32, 0xbb)));
    EXPECT_TRUE(files->contains(Buffer(20, 0xcc)));
    EXPECT_FALSE(files->contains(Buffer(32, 0xcc)));
    for (const char* wrong : {"xyz", "abc", "sha256:abcd", "md5:00112233445566778899aabbccddeeff"})
        EXPECT_FALSE(BlockedFiles::parse(wrong, "f")) << wrong;
}

}  // namespace appraise_test
}  // namespace keyscribe::appraise
