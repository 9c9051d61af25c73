// SPDX-License-Identifier: Apache-2.0
// The kernel's list: each algorithm, template and kind of signature that a kernel can write, and
// what a service may accept of them.
#include "controller/service/appraise/ima_list.h"

#include <gtest/gtest.h>

#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/ima_check.h"
#include "controller/service/appraise/ima_signature.h"
#include "controller/service/appraise/kernel_hashes.h"
#include "tests/support/host.h"

namespace keyscribe::appraise {
namespace ima_list_test {

using testing::Buffer;
using testing::Host;

/// A template's data: fields, each with its length before it.
Buffer data_of(const std::vector<Buffer>& fields) {
    Buffer data;
    for (const Buffer& field : fields) {
        for (int shift = 0; shift < 32; shift += 8)
            data.push_back(static_cast<std::uint8_t>(field.size() >> shift));
        data.insert(data.end(), field.begin(), field.end());
    }
    return data;
}

Buffer text(std::string_view from) { return {from.begin(), from.end()}; }

Buffer name_field(std::string_view name) {
    Buffer field = text(name);
    field.push_back(0);
    return field;
}

Buffer digest_field(std::string_view algorithm, Bytes digest) {
    Buffer field = text(algorithm);
    field.insert(field.end(), {':', 0});
    field.insert(field.end(), digest.begin(), digest.end());
    return field;
}

/// The digest of `content`, or zeros where OpenSSL has no such algorithm.
Buffer digest_of(std::string_view algorithm, std::string_view content) {
    const KernelHash& hash = *kernel_hash(algorithm);
    return digest_with(hash, as_bytes(content)).value_or(Buffer(hash.size));
}

/// A good host with the kernel's list; a test adds entries to it.
struct Setting {
    Host host;
    Basis basis;

    Setting() {
        EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
        EXPECT_TRUE(basis.references.add(host.ima, "ima.der"));
        host.good();
        host.with_ima = true;
        host.kernel.aggregate(Host::aggregate_of(host.firmware()));
    }
    void entry(std::string_view template_name, const std::vector<Buffer>& fields) {
        host.kernel.add(template_name, data_of(fields));
    }
    /// A file as template ima-sig has it.
    void file(std::string_view algorithm, std::string_view content, const Buffer& sig = {},
              std::string_view name = "/bin/x") {
        entry("ima-sig",
              {digest_field(algorithm, digest_of(algorithm, content)), name_field(name), sig});
    }
    void block(std::string_view lines) {
        auto parsed = BlockedFiles::parse(lines, "blocked");
        ASSERT_TRUE(parsed) << to_string(parsed.error());
        basis.blocked_files = *parsed;
    }
    Appraisal appraisal() {
        bytes_ = evidence::encode_cbor(host.evidence());
        const auto key = AttestationKey::from_pem(host.quote.pem());
        return appraise({.evidence = bytes_,
                         .nonce = host.quote.nonce,
                         .keys = {&*key, 1},
                         .now = std::time(nullptr)},
                        basis);
    }
    /// What counts, "ima-unsigned@1", and in brackets the notes of the kernel's list.
    std::string findings() {
        std::string told;
        const Appraisal result = appraisal();
        for (const Finding& finding : result.findings) {
            const std::string one =
                std::string(finding.code) +
                (finding.entry ? '@' + std::to_string(*finding.entry) : std::string());
            const bool note = finding.weight == Weight::kNote;
            if (note && finding.list != "ima") continue;
            told += (told.empty() ? "" : " ") + (note ? '[' + one + ']' : one);
        }
        return told;
    }

  private:
    Buffer bytes_;
};

/// A signature of the key that stands in .ima, over content in an algorithm.
Buffer signature(std::string_view algorithm, std::string_view content, EVP_PKEY* key,
                 std::uint8_t version = 2) {
    const KernelHash& hash = *kernel_hash(algorithm);
    Buffer digest = digest_of(algorithm, content);
    if (version == 3) {
        Buffer id{3, hash.number};
        id.insert(id.end(), digest.begin(), digest.end());
        digest = *digest_with(hash, id);
    }
    Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    EXPECT_EQ(EVP_PKEY_sign_init(context.get()), 1);
    if (EVP_PKEY_is_a(key, "RSA"))
        EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING), 1);
    EXPECT_EQ(EVP_PKEY_CTX_set_signature_md(context.get(), openssl_digest(hash)), 1) << algorithm;
    std::size_t size = 1024;
    Buffer raw(size);
    EXPECT_EQ(EVP_PKEY_sign(context.get(), raw.data(), &size, digest.data(), digest.size()), 1);
    raw.resize(size);
    const Digest id = base::hash(Algorithm::kSha1, testing::spki_bits(key));
    Buffer made{3, version, hash.number};
    made.insert(made.end(), id.bytes.begin() + 16, id.bytes.begin() + 20);
    made.push_back(static_cast<std::uint8_t>(size >> 8));
    made.push_back(static_cast<std::uint8_t>(size));
    made.insert(made.end(), raw.begin(), raw.end());
    return made;
}

TEST(KernelHashes, AreAsTheKernelNumbersThem) {
    for (unsigned number = 0; number < 23; number++) {
        const KernelHash* hash = kernel_hash_numbered(static_cast<std::uint8_t>(number));
        ASSERT_NE(hash, nullptr);
        EXPECT_EQ(hash->number, number);
        EXPECT_EQ(kernel_hash(hash->name), hash);
        if (openssl_digest(*hash) != nullptr) {
            EXPECT_EQ(digest_with(*hash, as_bytes("x"))->size(), hash->size) << hash->name;
        }
    }
    EXPECT_EQ(kernel_hash_numbered(23), nullptr);
    EXPECT_EQ(kernel_hash("sha257"), nullptr);
    EXPECT_EQ(kernel_hash("sm3-256"), kernel_hash("sm3"));
    EXPECT_FALSE(digest_with(*kernel_hash("tgr192"), as_bytes("x")));
    EXPECT_EQ(to_hex(*digest_with(*kernel_hash("sm3"), as_bytes("abc"))),
              "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
}

TEST(ImaList, BufferDigestsInEachAlgorithmOfTheKernels) {
    for (const char* algorithm : {"md5", "sha1", "rmd160", "sha224", "sha256", "sha384", "sha512",
                                  "sm3", "sha3-256", "sha3-384", "sha3-512"}) {
        if (openssl_digest(*kernel_hash(algorithm)) == nullptr) continue;
        Setting good;
        good.entry("ima-buf", {digest_field(algorithm, digest_of(algorithm, "cmdline")),
                               name_field("kexec-cmdline"), text("cmdline")});
        EXPECT_EQ(good.findings(), "") << algorithm;
        Setting bad;
        bad.entry("ima-buf", {digest_field(algorithm, digest_of(algorithm, "cmdline")),
                              name_field("kexec-cmdline"), text("another")});
        EXPECT_EQ(bad.findings(), "ima-payload-digest@1") << algorithm;
    }
}

TEST(ImaList, ABufferDigestThatOpensslDoesNotHaveIsANote) {
    Setting setting;
    setting.entry("ima-buf", {digest_field("tgr192", Buffer(24)), name_field("x"), text("y")});
    EXPECT_EQ(setting.findings(), "[ima-payload-unchecked@1]");
    Setting no_algorithm;
    no_algorithm.entry("ima-buf", {digest_field("sha257", Buffer(32)), name_field("x"), text("y")});
    EXPECT_EQ(no_algorithm.findings(), "ima-payload-digest@1");
    Setting short_one;
    short_one.entry("ima-buf", {digest_field("tgr192", Buffer(23)), name_field("x"), text("y")});
    EXPECT_EQ(short_one.findings(), "ima-payload-digest@1");
}

/// ima_template_fmt= with a field buf, which the kernel leaves empty where it measures a file. An
/// algorithm that OpenSSL does not have makes no buffer of it either.
TEST(ImaList, AFileMeasuredWithAFieldForBuffersIsAFile) {
    for (const char* algorithm : {"sha256", "streebog256"}) {
        const Buffer digest(32, 7);
        Setting setting;
        setting.entry("d-ng|n-ng|buf", {digest_field(algorithm, digest), name_field("f"), {}});
        EXPECT_EQ(setting.findings(), "") << algorithm;
        setting.basis.policy.ima.require_signatures = true;
        EXPECT_EQ(setting.findings(), "ima-unsigned@1") << algorithm;
        setting.basis.policy.ima.require_signatures = false;
        setting.block(std::string(algorithm) + ':' + to_hex(digest) + "  f\n");
        EXPECT_EQ(setting.findings(), "file-blocked@1") << algorithm;
    }
}

TEST(ImaList, BlockedFilesAreComparedByAlgorithmNotByLength) {
    const std::string sha256 = to_hex(digest_of("sha256", "bad")) + "  /tmp/bad\n";
    Setting setting;
    setting.block(sha256);
    setting.file("sha3-256", "bad");
    EXPECT_EQ(setting.findings(), "file-uncomparable@1");
    setting.basis.policy.ima.allow_uncomparable = true;
    EXPECT_EQ(setting.findings(), "[file-uncomparable@1]");

    Setting same;
    same.block(sha256);
    same.file("sha256", "bad");
    EXPECT_EQ(same.findings(), "file-blocked@1");

    Setting both;
    both.block(sha256 + "sha3-256:" + to_hex(digest_of("sha3-256", "bad")) + "  /tmp/bad\n");
    both.file("sha3-256", "bad");
    both.file("sha3-256", "good");
    EXPECT_EQ(both.findings(), "file-blocked@1");
}

TEST(ImaList, ADigestThatNoKernelWritesIsNotUnderstood) {
    Setting setting;
    setting.entry("ima-ng", {digest_field("sha257", Buffer(32)), name_field("/bin/x")});
    setting.entry("ima-ng", {digest_field("sha256", Buffer(31)), name_field("/bin/x")});
    EXPECT_EQ(setting.findings(), "ima-template@1 ima-template@2");
    setting.basis.policy.ima.allow_templates = true;
    EXPECT_EQ(setting.findings(), "[ima-template@1] [ima-template@2]");
}

TEST(ImaList, AnEvmPortableSignatureInSigCountsAsUnsigned) {
    Buffer evm = signature("sha256", "metadata", Host::shared_key(2).get());
    evm[0] = 5;
    Setting setting;
    setting.file("sha256", "x", evm);
    EXPECT_EQ(setting.findings(), "");
    setting.basis.policy.ima.require_signatures = true;
    EXPECT_EQ(setting.findings(), "ima-unsigned@1");
    setting.basis.policy.ima.allow_evm_signatures = true;
    EXPECT_EQ(setting.findings(), "[ima-unsigned@1]");
    setting.file("sha256", "y");
    EXPECT_EQ(setting.findings(), "ima-unsigned@2 [ima-unsigned@1]");
}

TEST(ImaList, EvmSigIsReadByItsFields) {
    const Buffer digest = digest_field("sha256", digest_of("sha256", "x"));
    Setting setting;
    setting.entry("evm-sig", {digest, name_field("/bin/x"), Buffer{5, 2}, text("security.ima"),
                              Buffer(4), Buffer(1), Buffer(4), Buffer(4), Buffer(2)});
    EXPECT_EQ(setting.findings(), "");
    setting.basis.policy.ima.require_signatures = true;
    EXPECT_EQ(setting.findings(), "ima-unsigned@1");
    setting.basis.policy.ima.require_signatures = false;
    setting.block(to_hex(digest_of("sha256", "x")));
    EXPECT_EQ(setting.findings(), "file-blocked@1");
}

TEST(ImaList, TemplatesOfImaTemplateFmtAreReadByTheirFields) {
    const Buffer digest = digest_field("sha256", digest_of("sha256", "x"));
    Setting setting;
    setting.entry("d-ng|n-ng|iuid|sig", {digest, name_field("/bin/x"), Buffer(4),
                                         signature("sha256", "x", Host::shared_key(2).get())});
    setting.basis.policy.ima.require_signatures = true;
    EXPECT_EQ(setting.findings(), "");
    EXPECT_EQ(setting.appraisal().ima_signatures, 1u);
    setting.block(to_hex(digest_of("sha256", "x")));
    EXPECT_EQ(setting.findings(), "file-blocked@1");

    Setting key;
    key.entry("d-ng|n-ng|buf",
              {digest_field("sha256", digest_of("sha256", "y")), name_field(".ima"), text("x")});
    EXPECT_EQ(key.findings(), "ima-payload-digest@1");

    Setting bare;
    bare.entry("n-ng|sig", {name_field("/bin/x"), {}});
    EXPECT_EQ(bare.findings(), "");
    bare.block(to_hex(digest_of("sha256", "x")));
    EXPECT_EQ(bare.findings(), "file-uncomparable@1");
}

/// Another kernel's list begins with one: that is a note.
TEST(ImaList, ASecondBootAggregateIsComparedNotUnsigned) {
    Setting same;
    same.basis.policy.ima.require_signatures = true;
    same.host.kernel.aggregate(Host::aggregate_of(same.host.firmware()));
    EXPECT_EQ(same.findings(), "[kexec@1]");

    Setting other;
    other.host.kernel.aggregate(hash(Algorithm::kSha256, as_bytes("another firmware")));
    EXPECT_EQ(other.findings(), "boot-aggregate@1 [kexec@1]");

    // A program of that name has no way around the comparison.
    Setting program;
    program.file("md5", "evil", {}, "boot_aggregate");
    EXPECT_EQ(program.findings(), "boot-aggregate@1 [kexec@1]");
}

/// IMA measures a key under its keyring's name, and users may call theirs as they like.
TEST(ImaList, AKeyringOfAUsersThatIsCalledBootAggregateDeniesNothing) {
    const std::vector<Buffer> key{digest_field("sha256", digest_of("sha256", "a key")),
                                  name_field("boot_aggregate"), text("a key")};
    Setting setting;
    setting.basis.policy.host.allow_kexec = false;
    setting.entry("ima-buf", key);
    EXPECT_EQ(setting.findings(), "");
    EXPECT_EQ(count_kernels(setting.host.evidence()), 1u);

    Setting first;
    first.host.kernel = testing::ListMaker(10);
    first.entry("ima-buf", key);
    EXPECT_EQ(first.findings(), "ima-start@0");
}

/// A blocked file in PCR 11, which is quoted: in front of the last entry of PCR 10, or behind it.
Setting with_entry_of_pcr_11(bool behind, bool quoted) {
    Setting setting;
    setting.block(to_hex(digest_of("sha256", "bad")));
    testing::ListMaker other(11);
    other.add("ima-ng", data_of({digest_field("sha256", digest_of("sha256", "bad")),
                                 name_field("/bin/bad")}));
    setting.file("sha256", "good");
    testing::ListMaker& kernel = setting.host.kernel;
    const std::size_t at = behind ? kernel.bytes.size() : kernel.offsets[0];
    kernel.bytes.insert(kernel.bytes.begin() + static_cast<std::ptrdiff_t>(at), other.bytes.begin(),
                        other.bytes.end());
    ++kernel.entries;
    setting.host.second_pcrs = setting.host.firmware();
    if (quoted)
        for (const auto& [bank, values] : other.pcrs())
            setting.host.second_pcrs[bank][11] = values.at(11);
    return setting;
}

TEST(ImaList, EntriesOfAnotherPcrAreJudgedWhereThatPcrIsQuoted) {
    EXPECT_EQ(with_entry_of_pcr_11(false, true).findings(), "file-blocked@1");
    EXPECT_EQ(with_entry_of_pcr_11(true, true).findings(), "file-blocked@2");
}

TEST(ImaList, EntriesOfAPcrThatIsNotQuotedAreTold) {
    Setting setting = with_entry_of_pcr_11(false, false);
    EXPECT_EQ(setting.findings(), "ima-pcr@1");
    setting.basis.policy.ima.allow_other_pcrs = true;
    EXPECT_EQ(setting.findings(), "[ima-pcr@1]");
    EXPECT_EQ(with_entry_of_pcr_11(true, false).findings(), "ima-pcr@2") << "also as the last";
}

TEST(ImaList, AnotherPcrWhoseQuotedValueIsNotTheListsVouchesForNothing) {
    Setting setting = with_entry_of_pcr_11(false, true);
    for (auto& [bank, values] : setting.host.second_pcrs) values[11] = filled(bank, 7);
    EXPECT_EQ(setting.findings(), "ima-pcr@1");
}

TEST(ImaList, AnAppendedSignatureIsToldAsSuch) {
    const Buffer digest = digest_field("sha256", digest_of("sha256", "module"));
    Setting setting;
    setting.entry("ima-modsig",
                  {digest, name_field("/lib/modules/x.ko"), {}, digest, text("PKCS7")});
    EXPECT_EQ(setting.findings(), "[ima-appended@1]");
    setting.basis.policy.ima.require_signatures = true;
    EXPECT_EQ(setting.findings(), "ima-appended@1");
    setting.basis.policy.ima.allow_appended = true;
    EXPECT_EQ(setting.findings(), "[ima-appended@1]");
    setting.entry("ima-modsig", {digest, name_field("/lib/modules/y.ko"), {}, {}, {}});
    EXPECT_EQ(setting.findings(), "ima-unsigned@2 [ima-appended@1]");
}

TEST(ImaList, AnAppendedSignatureBesideTheFilesOwnIsToldToo) {
    const Buffer digest = digest_field("sha256", digest_of("sha256", "module"));
    Setting setting;
    setting.basis.policy.ima.require_signatures = true;
    setting.entry("ima-modsig", {digest, name_field("/lib/modules/x.ko"),
                                 signature("sha256", "module", setting.host.ima_key.get()), digest,
                                 text("PKCS7")});
    EXPECT_EQ(setting.findings(), "[ima-appended@1]");
}

TEST(ImaList, ABlockedModuleIsKnownWithAnotherSignatureAppended) {
    const Buffer whole = digest_field("sha256", digest_of("sha256", "module, signature"));
    const Buffer bare = digest_field("sha256", digest_of("sha256", "module"));
    const auto told = [&](const Buffer& modsig_digest, std::string_view blocked) {
        Setting setting;
        setting.block(to_hex(digest_of("sha256", blocked)));
        setting.entry("ima-modsig", {whole, name_field("x.ko"), {}, modsig_digest, text("PKCS7")});
        return setting.findings();
    };
    EXPECT_EQ(told(bare, "module"), "file-blocked@1 [ima-appended@1]");
    EXPECT_EQ(told(bare, "module, signature"), "file-blocked@1 [ima-appended@1]");
    EXPECT_EQ(told(bare, "another"), "[ima-appended@1]");
    EXPECT_EQ(told(text("sha256:no NUL"), "another"), "ima-template@1");
}

TEST(ImaList, SignaturesInEachAlgorithmThatOpensslCanVerify) {
    for (const char* algorithm : {"sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-512"})
        for (const std::uint8_t version : {2, 3}) {
            Setting setting;
            setting.basis.policy.ima.require_signatures = true;
            setting.file(algorithm, "x",
                         signature(algorithm, "x", Host::shared_key(2).get(), version));
            EXPECT_EQ(setting.findings(), "") << algorithm << int{version};
            Setting changed;
            changed.file(algorithm, "y",
                         signature(algorithm, "x", Host::shared_key(2).get(), version));
            EXPECT_EQ(changed.findings(), "ima-signature@1") << algorithm << int{version};
        }
}

TEST(ImaList, ASignatureOverSha1SaysSo) {
    Setting setting;
    setting.file("sha1", "x", signature("sha1", "x", Host::shared_key(2).get()));
    EXPECT_EQ(setting.findings(), "ima-unverifiable@1");
    EXPECT_TRUE(setting.appraisal().findings.front().sentence.contains("sha1")) << "says so";
    setting.basis.policy.ima.allow_unverifiable = true;
    EXPECT_EQ(setting.findings(), "[ima-unverifiable@1]");
}

/// A certificate is no secret: a user can put it into a keyring of his own beforehand.
TEST(ImaList, ASignerThatOnlyAUsersNamesakeHadBeforeIsLate) {
    for (const char* before : {"_ima", ".ima"}) {
        Setting setting;
        Host& host = setting.host;
        host.kernel.buf(before, host.ima);
        setting.file("sha256", "x", signature("sha256", "x", host.ima_key.get()));
        host.kernel.buf(".ima", host.ima);
        EXPECT_EQ(setting.findings(), before[0] == '.' ? "" : "ima-signer-later@2") << before;
    }
}

TEST(ImaList, MlDsaIsToldAsNotVerifiable) {
    // rsaEncryption's identifier and that of ML-DSA-65 are of one length.
    const Buffer rsa{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
    const Buffer ml_dsa{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12};
    Setting setting;
    Buffer certificate = testing::certificate(Host::shared_key(3).get(), "Post-quantum signer",
                                              setting.host.builtin_key.get(), "Build key");
    const auto at = std::ranges::search(certificate, rsa);
    ASSERT_FALSE(at.empty());
    std::ranges::copy(ml_dsa, at.begin());
    ASSERT_TRUE(setting.basis.references.add(certificate, "pq.der"));
    setting.basis.policy.chain.signers.clear();
    setting.host.key(".ima", certificate, 301, "Post-quantum signer: 12");
    setting.file("sha256", "x", signature("sha256", "x", Host::shared_key(3).get()));
    EXPECT_EQ(setting.findings(), "ima-unverifiable@1");
    EXPECT_TRUE(setting.appraisal().findings.front().sentence.contains("ML-DSA-65"));
}

TEST(ImaSignature, FormsThatAreNotOne) {
    const Buffer good = signature("sha256", "x", Host::shared_key(2).get());
    EXPECT_TRUE(parse_ima_signature(good));
    const auto error_of = [&](std::size_t at, std::uint8_t value) {
        Buffer changed = good;
        changed[at] = value;
        const auto parsed = parse_ima_signature(changed);
        return parsed ? "accepted" : parsed.error();
    };
    EXPECT_EQ(error_of(0, 4), "is of a type that is not known");
    EXPECT_EQ(error_of(0, 6), "is of version 2") << "fs-verity's are of version 3";
    EXPECT_EQ(error_of(1, 1), "is of version 1");
    EXPECT_EQ(error_of(1, 4), "is of version 4");
    EXPECT_EQ(error_of(2, 23), "names a hash algorithm that no kernel has");
    EXPECT_EQ(error_of(8, static_cast<std::uint8_t>(good[8] + 1)),
              "has a length that does not add up");
    for (std::size_t size = 0; size < good.size(); size++)
        EXPECT_FALSE(parse_ima_signature(Bytes(good).first(size)));
}

}  // namespace ima_list_test
}  // namespace keyscribe::appraise
