// SPDX-License-Identifier: Apache-2.0
// What evidence may cost whoever appraises it: 10 s of one core for 64 MiB, and four times its size
// of memory. Each shape is one that costs more than it looks. And what foreign bytes may do to
// whoever reads the verdict: nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <fstream>

#include "controller/service/appraise/openssl.h"
#include "support.h"
#include "tests/support/setting.h"

namespace keyscribe::appraise {
namespace appraise_bounds_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::Buffer;
using testing::Host;
using testing::ListMaker;
using testing::Setting;

#ifdef __OPTIMIZE__
constexpr std::size_t kSize = 64u << 20;
constexpr double kSeconds = 10;  // of processor time
#else
/// A 64th, since code that is not optimized takes ten times as long; a quarter of that under
/// sanitizers, where it takes a hundred times. What is not linear takes hours all the same.
#ifdef KEYSCRIBE_SANITIZED
constexpr std::size_t kSize = 1u << 18;
#else
constexpr std::size_t kSize = 1u << 20;
#endif
constexpr double kSeconds = 60;
#endif

std::size_t address_space() {
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// How many times as long as on a core of its own the same work takes now: of a core that others
/// share their time counts, too.
double slowness() {
    constexpr double kAlone = 0.2;  // EPYC
    const double begun = processor_seconds();
    volatile std::uint64_t number = 1;
    for (int i = 0; i < 300'000'000; ++i) number = number * 3 + 1;
    return std::max(1.0, (processor_seconds() - begun) / kAlone);
}

/// Does `work` in a child that is killed where it takes longer, and that gets no more memory.
/// Sanitizers take more of both, so that there the work has but to come to its end.
template <class Work>
void within_bounds(std::size_t memory, Work work) {
#ifdef KEYSCRIBE_SANITIZED
    const rlim_t seconds = 0;
#else
    const auto seconds = static_cast<rlim_t>(kSeconds * slowness());
#endif
    const pid_t child = ::fork();
    if (child == 0) {
#ifndef KEYSCRIBE_SANITIZED
        const rlimit cpu{seconds, seconds};
        // 64 MiB: what threads' stacks and OpenSSL's tables take whatever the evidence.
        const rlim_t most = address_space() + memory + (64u << 20);
        const rlimit space{most, most};
        if (::setrlimit(RLIMIT_CPU, &cpu) != 0 || ::setrlimit(RLIMIT_AS, &space) != 0) ::_exit(2);
#else
        (void)memory;
#endif
        int status = 1;
        try {
            status = work() ? 0 : 1;
        } catch (const std::bad_alloc&) {
            status = 3;
        }
        ::_exit(status);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_FALSE(WIFSIGNALED(status))
        << "signal " << WTERMSIG(status) << ": more than " << seconds << " s";
    EXPECT_EQ(WEXITSTATUS(status), 0) << (WEXITSTATUS(status) == 3 ? "too much memory" : "");
}

/// Evidence in CBOR: the file itself is there already, so three times its size is left.
void appraised_within_bounds(Setting& setting) {
    const Buffer bytes = setting.encoded();
    const auto key = testing::key_of(setting.host);
    ASSERT_LE(bytes.size(), 2 * kSize);
    within_bounds(3 * bytes.size(), [&] {
        return !testing::appraise_bytes(bytes, setting.basis, key).boot_id.empty();
    });
}

TEST(Bounds, ABatchOfMillionsOfEmptyPayloads) {
    Setting setting;
    setting.good();
    // {"entries": [["", ""] ...]}: three bytes each.
    const std::uint32_t count = kSize / 4;
    Buffer batch{0xa1, 0x67, 'e', 'n', 't', 'r', 'i', 'e', 's', 0x9a};
    for (int shift = 24; shift >= 0; shift -= 8)
        batch.push_back(static_cast<std::uint8_t>(count >> shift));
    for (std::uint32_t i = 0; i < count; ++i) batch.insert(batch.end(), {0x82, 0x40, 0x40});
    setting.host.list.buf("keyscribe:batch", batch);
    appraised_within_bounds(setting);
}

TEST(Bounds, ManyBatches) {
    Setting setting;
    setting.good();
    const Buffer batch =
        list::to_cbor({{"entries",
                        {{Host::bytes("keyscribe:missed"), Host::bytes("\xa1\x65"
                                                                       "count\x01")}}}});
    while (setting.host.list.bytes.size() < kSize) setting.host.list.buf("keyscribe:batch", batch);
    appraised_within_bounds(setting);
}

TEST(Bounds, ManyKeyrings) {
    Setting setting;
    setting.good();
    for (int i = 0; setting.host.list.bytes.size() < kSize; ++i)
        setting.host.list.buf("ring " + std::to_string(i), setting.host.ima);
    appraised_within_bounds(setting);
}

/// Nobody has to keep what a rogue host invents.
TEST(Bounds, ManyKeys) {
    for (const bool in_one_keyring : {true, false}) {
        Setting setting;
        setting.good();
        for (int i = 0; setting.host.list.bytes.size() < kSize; ++i) {
            json fields = setting.host.key_fields("create", 1000 + i, "x",
                                                  in_one_keyring ? 9 : 1'000'000 + i, "");
            fields["sha256"] = cbor_bytes(hash(Algorithm::kSha256, as_bytes(std::to_string(i))));
            setting.host.list.record("create", fields);
        }
        appraised_within_bounds(setting);
    }
}

/// Digests that agree in the bytes that a table without a seed would tell them apart by: 200,000 of
/// them in one bucket take minutes (1.4 MB once took more than 60 s).
TEST(Bounds, ManyKeysWithDigestsChosenForOneBucket) {
    Setting setting;
    setting.good();
    for (int i = 0; setting.host.list.bytes.size() < kSize; ++i) {
        json fields = setting.host.key_fields("create", 1000 + i, "x", 9, "");
        Digest digest = filled(Algorithm::kSha256, 0);
        std::memcpy(digest.bytes.data() + 8, &i, sizeof(i));
        fields["sha256"] = cbor_bytes(digest);
        setting.host.list.record("create", fields);
    }
    appraised_within_bounds(setting);
}

/// Certificates of one subject, all signed by it, in a keyring whose keys must be signed: each
/// could be the signer of each (35 MB once took more than 300 s).
TEST(Bounds, ManyKeysOfOneSubject) {
    Setting setting;
    setting.good();
    const auto key = Host::shared_key(3);
    const Buffer first = testing::certificate(key.get(), "Self", key.get(), "Self");
    for (std::uint32_t i = 0; setting.host.list.bytes.size() < kSize; ++i) {
        Buffer certificate = first;  // of another signature, which does not verify
        for (int byte = 0; byte < 4; ++byte)
            certificate[certificate.size() - 8 + static_cast<std::size_t>(byte)] ^=
                static_cast<std::uint8_t>(i >> (8 * byte));
        setting.host.list.buf(i % 2 == 0 ? ".secondary_trusted_keys" : ".builtin_trusted_keys",
                              certificate);
        setting.host.list.buf(testing::kIma, certificate);
    }
    appraised_within_bounds(setting);
}

/// Unknown certificates that name a reference value as their issuer: each has to be verified.
TEST(Bounds, ManyKeysThatNameAKnownIssuer) {
    Setting setting;
    setting.good();
    const auto key = Host::shared_key(3);
    const Buffer first =
        testing::certificate(key.get(), "Rogue", setting.host.builtin_key.get(), "Build key");
    for (std::uint32_t i = 0; setting.host.list.bytes.size() < kSize; ++i) {
        Buffer certificate = first;
        for (int byte = 0; byte < 4; ++byte)
            certificate[certificate.size() - 8 + static_cast<std::size_t>(byte)] ^=
                static_cast<std::uint8_t>(i >> (8 * byte));
        setting.host.list.buf(testing::kIma, certificate);
    }
    appraised_within_bounds(setting);
}

TEST(Bounds, AKeyAndItsSignerThatComeAndGo) {
    Setting setting;
    setting.good();
    while (setting.host.list.bytes.size() < kSize)
        for (const char* kind : {"unlink", "link"}) {
            setting.host.event(kind, 200, ".builtin_trusted_keys", "Build key: 00");
            setting.host.event(kind, 300, testing::kIma, "File signer: 11");
        }
    appraised_within_bounds(setting);
}

/// P-384 takes OpenSSL 0.8 ms: of 64 MiB of signatures that do not verify 240 s, and of one that
/// does, again and again, as many.
TEST(Bounds, ManyFilesSignedWithASlowAlgorithm) {
    const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-384"), EVP_PKEY_free);
    const Digest digest = hash(Algorithm::kSha256, as_bytes("good"));
    Buffer signature = Host::ima_signature(key.get(), digest);
    for (const bool good : {true, false}) {
        Setting setting;
        setting.good();
        const Buffer signer =
            testing::certificate(key.get(), "Slow", setting.host.builtin_key.get(), "Build key");
        ASSERT_TRUE(setting.basis.references.add(signer, "slow.der"));
        setting.host.key(testing::kIma, signer, 301, "Slow: 1");
        if (!good) signature.back() ^= 1;
        for (int i = 0; setting.host.kernel.bytes.size() < kSize; ++i)
            setting.host.kernel.signed_file(digest, std::to_string(i), signature);
        EXPECT_EQ(testing::codes_of(setting.run()), good ? "" : "ima-signature");
        appraised_within_bounds(setting);
    }
}

/// Half of the list puts something somewhere, and each record behind it looks at all of that.
void looked_at_again_and_again(const std::function<void(Host&, int)>& put,
                               const std::function<void(Host&, int)>& look) {
    Setting setting;
    setting.good();
    int i = 1000;
    while (setting.host.list.bytes.size() < kSize / 2) put(setting.host, ++i);
    while (setting.host.list.bytes.size() < kSize) look(setting.host, ++i);
    appraised_within_bounds(setting);
}

void put_into_one_keyring(Host& host, int i) {
    host.list.record("link", host.key_fields("link", i, "x", 9, std::to_string(i)));
}

void put_one_key_everywhere(Host& host, int i) {
    host.list.record("link", host.key_fields("link", 7, "x", i, "k"));
}

TEST(Bounds, ManyBaselinesOfManyKeys) {
    const auto begin = [](Host& host, int) {
        host.list.record("baseline-begin",
                         {{"time", 1},
                          {"reason", "order"},
                          {"keyrings", {{{"serial", 9}, {"name", Host::bytes("x")}}}}});
    };
    looked_at_again_and_again(put_into_one_keyring, begin);
}

TEST(Bounds, ManyKernels) {
    const auto kexec = [](Host& host, int) {
        json record = Host::speaker();
        record["entries"] = 1;
        host.list.record("kexec", record);
    };
    looked_at_again_and_again(put_into_one_keyring, kexec);
}

TEST(Bounds, AKeyInManyKeyrings) {
    const auto touch = [](Host& host, int) {
        host.list.record("setperm", host.key_fields("setperm", 7, "x", 1001, "k"));
    };
    looked_at_again_and_again(put_one_key_everywhere, touch);
    const auto update = [](Host& host, int i) {
        json fields = host.key_fields("update", 7, "x", 1001, "k");
        fields["sha256"] = cbor_bytes(hash(Algorithm::kSha256, as_bytes(std::to_string(i))));
        host.list.record("update", fields);
    };
    looked_at_again_and_again(put_one_key_everywhere, update);
}

TEST(Bounds, GoodSignaturesBeyondTheirTime) {
    const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-384"), EVP_PKEY_free);
    Setting setting;
    setting.good();
    const Buffer signer =
        testing::certificate(key.get(), "Slow", setting.host.builtin_key.get(), "Build key");
    ASSERT_TRUE(setting.basis.references.add(signer, "slow.der"));
    setting.host.key(testing::kIma, signer, 301, "Slow: 1");
    for (int i = 0; i < 1300; ++i) {
        const std::string name = std::to_string(i);
        const Digest digest = hash(Algorithm::kSha256, as_bytes(name));
        setting.host.kernel.signed_file(digest, name, Host::ima_signature(key.get(), digest));
    }
    EXPECT_EQ(testing::codes_of(setting.run()), "");
    setting.basis.policy.ima.verify_seconds = 1;
    EXPECT_EQ(testing::codes_of(setting.run()), "ima-signature");
}

TEST(Bounds, ABaselineOfVeryManyKeyrings) {
    Setting setting;
    setting.good();
    json begin = {{"time", 20}, {"reason", "policy"}, {"keyrings", json::array()}};
    for (std::size_t i = 0; i < kSize / 24; ++i)
        begin["keyrings"].push_back(
            {{"serial", 1000 + i}, {"name", Host::bytes(std::to_string(i))}});
    setting.host.list.record("baseline-begin", begin);
    appraised_within_bounds(setting);
}

/// A key has three identifiers; a list of millions takes 16 bytes for each of one byte.
TEST(Bounds, MillionsOfIdentifiers) {
    Setting setting;
    setting.good();
    json fields = setting.host.key_fields("baseline", 300, testing::kIma, 101, "x");
    fields["public_key"] = Host::bytes("x");
    fields["algorithm"] = "rsa";
    fields["ids"] = json::array();
    for (std::size_t i = 0; i < kSize / 2; ++i) fields["ids"].push_back(Host::bytes(""));
    setting.host.list.record("baseline", fields);
    appraised_within_bounds(setting);
}

TEST(Bounds, ManyPolicies) {
    Setting setting;
    setting.good();
    std::string text;
    for (int i = 0; i < 60; ++i)
        text += "measure func=KEY_CHECK keyrings=ring" + std::to_string(i) + "|.ima|.machine\n";
    for (int i = 0; setting.host.list.bytes.size() < kSize; ++i)
        setting.host.list.record("policy", Host::policy(text + '#' + std::to_string(i) + '\n'));
    appraised_within_bounds(setting);
}

TEST(Bounds, ManyBaselinesThatWereNotBegun) {
    Setting setting;
    setting.good();
    while (setting.host.list.bytes.size() < kSize)
        setting.host.list.buf("keyscribe:baseline", Buffer{0xa0});
    appraised_within_bounds(setting);
}

TEST(Bounds, ADeepRecord) {
    Setting setting;
    setting.good();
    setting.host.list.buf("keyscribe:policy", Buffer(kSize / 2, 0x81));
    setting.host.list.buf("keyscribe:batch", Buffer(kSize / 2, 0x81));
    appraised_within_bounds(setting);
}

TEST(Bounds, EntriesOfAnotherPcrBehindTheQuote) {
    Setting setting;
    setting.good();
    ListMaker other(11);
    while (other.bytes.size() < kSize) other.buf("x", Buffer{1});
    auto& list = setting.host.list;
    list.bytes.insert(list.bytes.end(), other.bytes.begin(), other.bytes.end());
    list.entries += other.entries;
    setting.host.with_ima = true;
    setting.host.second_pcrs = setting.host.firmware();
    for (const auto& [bank, values] : other.pcrs())
        setting.host.second_pcrs[bank][11] = values.at(11);
    appraised_within_bounds(setting);
}

/// The list's bytes in Base64, which decoded take three quarters of the input.
TEST(Bounds, JsonWithoutATree) {
    Setting setting;
    setting.good();
    setting.host.list.buf("keyscribe:x", Buffer(kSize * 3 / 4, 7));
    const std::string text = evidence::encode_json(setting.host.evidence());
    within_bounds(text.size(), [&] { return evidence::decode(as_bytes(text)).has_value(); });
}

TEST(Bounds, JsonOfManyMembersOrDepths) {
    std::string wide = "{", deep, quotes = "{\"quotes\":[", digits = "{\"time\":";
    while (wide.size() < kSize) wide += "\"a\":1,";
    deep.assign(kSize, '[');
    while (quotes.size() < kSize) quotes += "{},";
    digits.append(kSize, '9');
    std::string escapes = "{\"";
    while (escapes.size() < kSize) escapes += "\\u0061";
    for (const std::string& text : {wide, "{\"list\":" + deep, quotes, digits, escapes, deep})
        within_bounds(text.size(), [&] { return !evidence::decode(as_bytes(text)); });
}

/// A public key with that many bits of exponent: EVP_PKEY_fromdata takes any numbers.
std::shared_ptr<EVP_PKEY> rsa_of_exponent(int bits) {
    BIGNUM* found = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(Host::shared_key(0).get(), "n", &found), 1);
    const Owned<BIGNUM> n(found), e(BN_new());
    BN_set_bit(e.get(), bits);
    BN_add_word(e.get(), 1);
    Buffer modulus(static_cast<std::size_t>(BN_num_bytes(n.get()))),
        exponent(static_cast<std::size_t>(BN_num_bytes(e.get())));
    BN_bn2nativepad(n.get(), modulus.data(), static_cast<int>(modulus.size()));
    BN_bn2nativepad(e.get(), exponent.data(), static_cast<int>(exponent.size()));
    OSSL_PARAM params[] = {OSSL_PARAM_BN("n", modulus.data(), modulus.size()),
                           OSSL_PARAM_BN("e", exponent.data(), exponent.size()), OSSL_PARAM_END};
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
    EXPECT_EQ(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    return {key, EVP_PKEY_free};
}

TEST(Bounds, AnRsaKeyWithALongExponentIsRefused) {
    testing::QuoteMaker maker;
    maker.key = rsa_of_exponent(64);
    const auto refused = AttestationKey::from_pem(maker.pem());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("64 bits"), std::string::npos) << refused.error().what;
}

/// Each could have signed each: 136 KB once took 88 s.
TEST(Bounds, ManyCertificatesWithLongExponents) {
    Setting setting;
    setting.good();
    const auto slow = rsa_of_exponent(2000), key = Host::shared_key(3);
    for (int i = 0; setting.host.list.bytes.size() < 136 << 10; ++i) {
        const Buffer certificate = testing::certificate(slow.get(), "Self", key.get(), "Self");
        setting.host.list.buf(i % 2 == 0 ? ".secondary_trusted_keys" : testing::kIma, certificate);
    }
    appraised_within_bounds(setting);
}

/// A key's description, a record's text, a file's name: escapes, DEL, C1, marks of direction.
TEST(Bounds, ForeignBytesReachNobodyRaw) {
    const std::string nasty = "a\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\xff\\";
    Setting setting;
    setting.good();
    setting.host.key(testing::kIma, testing::rogue(setting.host), 301, nasty);
    setting.host.list.record("detached", {{"time", 1}, {"what", nasty.substr(0, 7)}});
    nlohmann::json again = Host::speaker();
    again["boot_id"] = again["kernel"] = nasty.substr(0, 9);  // CBOR's texts are UTF-8
    again["entries"] = setting.host.list.entries;
    setting.host.list.record("kexec", again);
    // As tpm2-tools' files: boot and kernel are those of the list.
    const Buffer bytes = setting.encoded();
    auto document = evidence::decode(bytes).value();
    document.evidence.ak = {};
    document.evidence.boot_id = document.evidence.kernel = {};
    const auto key = testing::key_of(setting.host);
    const Appraisal appraisal =
        appraise(document.evidence,
                 {.nonce = setting.host.quote.nonce, .keys = {&key, 1}, .now = std::time(nullptr)},
                 setting.basis);
    EXPECT_TRUE(appraisal.boot_id.contains("a")) << appraisal.boot_id;
    std::string all = to_json(appraisal, nasty);
    for (const Finding& finding : appraisal.findings) all += finding.sentence;
    for (const char letter : all)
        ASSERT_TRUE(letter >= ' ' && letter <= '~') << static_cast<int>(letter);
}

TEST(Bounds, ASentenceIsNoLongerThanItsBound) {
    Setting setting;
    setting.good();
    setting.host.key(testing::kIma, testing::rogue(setting.host), 301, std::string(100'000, 'x'));
    setting.host.list.record("detached", {{"time", 1}, {"what", std::string(100'000, 'x')}});
    for (const Finding& finding : setting.run().findings)
        EXPECT_LE(finding.sentence.size(), Findings::kLongest + 3);
}

}  // namespace appraise_bounds_test
}  // namespace keyscribe::appraise
