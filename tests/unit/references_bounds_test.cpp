// SPDX-License-Identifier: Apache-2.0
// What sources of reference values may cost: small files of which much comes, and files of very
// many parts, each of which was looked for among all others.
#include <gtest/gtest.h>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/references/built_in.h"
#include "controller/service/references/corim.h"
#include "controller/service/references/golden_host.h"
#include "controller/service/references/package.h"
#include "support.h"
#include "tests/support/kernel_maker.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::references {
namespace references_bounds_test {

using testing::Buffer;
using testing::KernelMaker;
using testing::TempDir;
using testing::TwoCertificates;

/// Certificates of as many different keys; nobody verifies them.
std::vector<FoundCertificate> many_certificates(std::size_t count) {
    const Buffer& first = TwoCertificates::shared().a;
    const auto view = keyrings::view_certificate(first);
    const std::size_t end =
        static_cast<std::size_t>(view->public_key.data() - first.data()) + view->public_key.size();
    std::vector<FoundCertificate> all;
    for (std::size_t i = 0; i < count; ++i) {
        Buffer der = first;
        for (std::size_t byte = 0; byte < 4; ++byte)
            der[end - 1 - byte] = static_cast<std::uint8_t>(i >> (8 * byte));
        all.push_back({std::move(der), {"x"}, "test", "f"});
    }
    return all;
}

/// 400 million looks at a certificate, of 2 microseconds each, where each is looked for among all.
TEST(ReferencesBounds, ManyKeysOfAGoldenHostAndManyCertificates) {
    Findings findings;
    findings.certificates = many_certificates(20'000);
    for (std::size_t i = 0; i < 20'000; ++i)
        findings.standing_keys.push_back(
            {sha256(keyrings::view_certificate(findings.certificates[i].der)->public_key),
             i == 0 ? "y" : "x", "k", "f"});
    resolve_standing_keys(findings);
    EXPECT_EQ(findings.certificates.front().keyrings, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(findings.certificates.back().keyrings, std::vector<std::string>{"x"});
    EXPECT_TRUE(findings.notes.empty());
}

TEST(ReferencesBounds, OneKeyInVeryManyKeyrings) {
    Findings findings;
    findings.certificates = many_certificates(1);
    const Sha256 key = sha256(keyrings::view_certificate(findings.certificates[0].der)->public_key);
    for (int i = 0; i < 100'000; ++i)
        findings.standing_keys.push_back({key, std::to_string(i), "k", "f"});
    resolve_standing_keys(findings);
    EXPECT_EQ(findings.certificates[0].keyrings.size(), 100'001u);
}

TEST(ReferencesBounds, ACorimOfManyThumbprints) {
    const auto known = many_certificates(20'000);
    Corim corim;
    for (std::size_t i = 0; i < known.size(); ++i) {
        CorimKey key;
        key.thumbprint = sha256(known[i].der);
        key.where = "f";
        corim.keys.push_back(std::move(key));
    }
    Findings findings;
    ASSERT_TRUE(take_corim(corim, known, "f", findings));
    EXPECT_EQ(findings.certificates.size(), known.size());
    EXPECT_EQ(findings.certificates.back().der, known.back().der);
}

TEST(ReferencesBounds, APackageOfWhichMoreComesThanOfAnyWithAKernel) {
    const TempDir folder;
    const std::string make =
        "cd " + folder.path().string() +
        " && truncate -s 1100M zeros && tar -cf - zeros | zstd -q -o p.tar.zst";
    ASSERT_EQ(testing::run(make).status, 0);
    const std::string package = testing::read_file(folder / "p.tar.zst");
    ASSERT_LT(package.size(), 1u << 20);
    const auto read =
        for_each_kernel(as_bytes(package), "p", [](const PackagedFile&) { return Result<void>(); });
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().what, "more than 1024 MiB come of the package");
}

TEST(ReferencesBounds, AnImageOfMoreCertificatesOrHashesThanAnyKernelHas) {
    const Buffer& certificate = TwoCertificates::shared().a;
    EXPECT_TRUE(find_built_in(KernelMaker().trusted({certificate}).image(), "f"));
    EXPECT_FALSE(find_built_in(
        KernelMaker().trusted(std::vector<Buffer>(10'001, certificate)).image(), "f"));
    KernelMaker loose;
    loose.trusted({certificate});
    for (int i = 0; i < 10'001; ++i) loose.loose(certificate);
    EXPECT_FALSE(find_built_in(loose.image(), "f"));
    KernelMaker hashes;
    hashes.trusted({certificate});
    for (int i = 0; i < 100'001; ++i) hashes.text("tbs:" + std::string(64, 'a'));
    EXPECT_FALSE(find_built_in(hashes.image(), "f"));
}

std::string tlv(char tag, const std::string& content) {
    std::string text{tag, '\x83'};
    for (int shift = 16; shift >= 0; shift -= 8) text += static_cast<char>(content.size() >> shift);
    return text + content;
}

/// OpenSSL takes 0.2 ms and 5 KB for each certificate: of 64 MiB 29 s and 900 MB.
TEST(ReferencesBounds, ABundleOfManyCertificates) {
    std::string certificates;
    for (const FoundCertificate& one : many_certificates(20'000))
        certificates.append(one.der.begin(), one.der.end());
    const auto bundle = [&](char signers) {
        const std::string object("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", 10);
        const std::string content = std::string("\x02\x01\x01", 3) + std::string("\x31\x00", 2) +
                                    std::string("\x30\x0b", 2) + object + '\x01' +
                                    tlv('\xa0', certificates) + std::string{'\x31', signers};
        return tlv('\x30', object + '\x02' + tlv('\xa0', tlv('\x30', content)));
    };
    const auto read = appraise::read_certificates(as_bytes(bundle('\0')), "f");
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_EQ(read->size(), 20'000u);
    EXPECT_FALSE(appraise::read_certificates(as_bytes(bundle('\1')), "f"));
}

}  // namespace references_bounds_test
}  // namespace keyscribe::references
