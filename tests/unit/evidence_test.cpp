// SPDX-License-Identifier: Apache-2.0
#include "controller/evidence/evidence.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/base/base64.h"
#include "controller/base/mapped_file.h"
#include "tests/unit/support.h"

namespace keyscribe::evidence {
namespace evidence_test {

using nlohmann::json;
using testing::TempDir;

/// Evidence with every member, and the memory that it points to.
struct Sample {
    std::vector<std::uint8_t> attest = std::vector<std::uint8_t>(145, 0xa7);
    std::vector<std::uint8_t> signature = std::vector<std::uint8_t>(72, 0x51);
    std::vector<std::uint8_t> ak = std::vector<std::uint8_t>(88, 0xac);
    std::vector<std::uint8_t> name = std::vector<std::uint8_t>(34, 0x0b);
    std::vector<std::uint8_t> certificate = std::vector<std::uint8_t>(700, 0x30);
    std::vector<std::uint8_t> list = std::vector<std::uint8_t>(70000, 0x0d);
    std::vector<std::uint8_t> ima = std::vector<std::uint8_t>(300, 0x0a);
    Evidence evidence;

    Sample() {
        Quote first{.attest = attest, .signature = signature, .pcrs = {}};
        for (const Algorithm bank : {Algorithm::kSha1, Algorithm::kSha256, Algorithm::kSha384})
            first.pcrs[bank][13] = filled(bank, 0x33);
        Quote second = first;
        for (unsigned pcr = 0; pcr <= 10; ++pcr)
            second.pcrs[Algorithm::kSha256][pcr] = filled(Algorithm::kSha256, 0x44);
        evidence = {.software = "keyscribe 0.1.0",
                    .boot_id = "0f2f9d0c-5a51-4a0e-8a30-0d3f5b1f2a11",
                    .kernel = "6.12.0-amd64",
                    .time = 1795478400,
                    .boot_time = 123456789012,
                    .ak = ak,
                    .ak_name = name,
                    .ek_certificate = certificate,
                    .pcr = 13,
                    .quotes = {first, second},
                    .list = {.entries = 90, .offset = 4000, .from_entry = 7, .data = list},
                    .ima = ImaList{.algorithm = Algorithm::kSha256, .entries = 3, .data = ima}};
    }
};

void expect_equal(const Evidence& left, const Evidence& right) {
    // The encoding is deterministic, so it says everything.
    EXPECT_EQ(encode_cbor(left), encode_cbor(right));
}

TEST(Evidence, CborComesBackAsItWasAndIsNotCopied) {
    const Sample sample;
    const auto encoded = encode_cbor(sample.evidence);
    const auto decoded = decode(encoded);
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    expect_equal(decoded->evidence, sample.evidence);
    EXPECT_TRUE(decoded->storage.empty());
    const Bytes list = decoded->evidence.list.data;
    EXPECT_GE(list.data(), encoded.data());
    EXPECT_LE(list.data() + list.size(), encoded.data() + encoded.size());
    EXPECT_EQ(decoded->evidence.quotes[1].pcrs.at(Algorithm::kSha256).size(), 12u);
}

TEST(Evidence, OptionalMembersMayBeAbsent) {
    Sample sample;
    sample.evidence.ak_name.reset();
    sample.evidence.ek_certificate.reset();
    sample.evidence.ima.reset();
    for (const bool as_json : {false, true}) {
        const auto cbor = encode_cbor(sample.evidence);
        const std::string text = encode_json(sample.evidence);
        const auto decoded = decode(as_json ? as_bytes(text) : Bytes(cbor));
        ASSERT_TRUE(decoded) << to_string(decoded.error());
        expect_equal(decoded->evidence, sample.evidence);
    }
}

TEST(Evidence, JsonSaysTheSame) {
    const Sample sample;
    const std::string text = encode_json(sample.evidence);
    const auto decoded = decode(as_bytes(text));
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    expect_equal(decoded->evidence, sample.evidence);
}

TEST(Evidence, EveryTruncationIsRefused) {
    Sample sample;
    sample.evidence.list.data = sample.evidence.list.data.first(300);
    const auto encoded = encode_cbor(sample.evidence);
    for (std::size_t size = 0; size < encoded.size(); ++size)
        ASSERT_FALSE(decode(Bytes(encoded).first(size))) << size;
    auto longer = encoded;
    longer.push_back(0);
    EXPECT_FALSE(decode(longer));
}

TEST(Evidence, AnyChangedByteIsRefusedOrMeansSomethingElse) {
    Sample sample;
    sample.evidence.list.data = sample.evidence.list.data.first(30);
    const auto encoded = encode_cbor(sample.evidence);
    for (std::size_t at = 0; at < encoded.size(); at += testing::kStep)
        for (const std::uint8_t flip : {0x01, 0x20, 0x80, 0xff}) {
            auto changed = encoded;
            changed[at] ^= flip;
            const auto decoded = decode(changed);
            if (decoded) {
                ASSERT_EQ(encode_cbor(decoded->evidence), changed) << at;
            }
        }
}

TEST(Evidence, BoundsAreChecked) {
    const auto refused = [](auto change) {
        Sample sample;
        change(sample.evidence);
        const auto cbor = encode_cbor(sample.evidence);
        const std::string text = encode_json(sample.evidence);
        EXPECT_FALSE(decode(as_bytes(text)));
        return !decode(cbor);
    };
    EXPECT_TRUE(refused([](Evidence& it) { it.quotes.clear(); }));
    EXPECT_TRUE(refused([](Evidence& it) { it.quotes.resize(9, it.quotes[0]); }));
    EXPECT_TRUE(refused([](Evidence& it) { it.quotes[0].pcrs.clear(); }));
    EXPECT_TRUE(refused([](Evidence& it) { it.quotes[0].attest = {}; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.pcr = 24; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.software = "two\nlines"; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.ak = {}; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.list.from_entry = 91; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.list.offset = 0; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.list.data = {}; }));
    EXPECT_TRUE(refused([](Evidence& it) { it.ima->entries = 0; }));
}

TEST(Evidence, NothingNewIsNoError) {
    Sample sample;
    sample.evidence.list = {.entries = 7, .offset = 4000, .from_entry = 7, .data = {}};
    const auto encoded = encode_cbor(sample.evidence);
    EXPECT_TRUE(decode(encoded));
}

TEST(Evidence, JsonMembersAreThoseOfTheDocumentOnce) {
    const Sample sample;
    const json good = json::parse(encode_json(sample.evidence));
    const auto refused = [](const json& value) {
        const std::string text = value.dump();
        return !decode(as_bytes(text));
    };
    EXPECT_FALSE(refused(good));
    for (const auto& [key, value] : good.items()) {
        json missing = good;
        missing.erase(key);
        const bool optional = key == "ima" || key == "ak_name" || key == "ek_certificate";
        EXPECT_EQ(refused(missing), !optional) << key;
        for (const json& other : {json(), json(-1), json("%\n"), json::array(), json::object()}) {
            json wrong = good;
            wrong[key] = other;
            EXPECT_TRUE(refused(wrong)) << key << other;
        }
    }
    json more = good;
    more["more"] = 1;
    EXPECT_TRUE(refused(more));
    json pcr = good;
    pcr["quotes"][0]["pcrs"]["sha256"]["24"] = pcr["quotes"][0]["pcrs"]["sha256"]["13"];
    EXPECT_TRUE(refused(pcr));
    const std::string text = good.dump();
    EXPECT_FALSE(decode(as_bytes("{\"pcr\":13," + text.substr(1))));
}

TEST(Base64, AsOpensslDoesItAndStrict) {
    const TempDir directory;
    std::string bytes;
    for (std::size_t size = 0; size < 50; ++size) {
        testing::write_file(directory / "in", bytes);
        const auto openssl = testing::run("openssl base64 -A -in " + (directory / "in").string());
        EXPECT_EQ(to_base64(as_bytes(bytes)), openssl.text);
        const auto back = from_base64(openssl.text);
        ASSERT_TRUE(back);
        EXPECT_TRUE(std::ranges::equal(*back, as_bytes(bytes)));
        const auto basenc =
            testing::run("basenc --base64url -w0 " + (directory / "in").string() + " | tr -d =");
        EXPECT_EQ(to_base64url(as_bytes(bytes)), basenc.text);
        EXPECT_EQ(from_base64url(basenc.text), back);
        bytes += static_cast<char>(size * 37 + 200);
    }
    for (const char* bad :
         {"A", "AA", "AAA", "A===", "AB==", "AAB=", "AA=A", "====", "AA A", "AAA\n"})
        EXPECT_FALSE(from_base64(bad)) << bad;
    for (const char* bad : {"A", "AB", "AAB", "AA==", "AAA=", "AA+A", "AA/A", "AA A"})
        EXPECT_FALSE(from_base64url(bad)) << bad;
}

TEST(MappedFile, GivesWhatTheFileHas) {
    const TempDir directory;
    testing::write_file(directory / "some", "some bytes");
    testing::write_file(directory / "none", "");
    const auto some = MappedFile::open(directory / "some");
    ASSERT_TRUE(some);
    EXPECT_TRUE(std::ranges::equal(some->bytes(), as_bytes("some bytes")));
    // Small files are read, larger ones are mapped.
    for (const std::size_t size : {(64u << 10) - 1, 64u << 10, (64u << 10) + 1}) {
        std::string text(size, 'x');
        text.back() = 'y';
        testing::write_file(directory / "large", text);
        auto large = MappedFile::open(directory / "large");
        ASSERT_TRUE(large);
        const MappedFile moved = std::move(*large);
        EXPECT_TRUE(std::ranges::equal(moved.bytes(), as_bytes(text))) << size;
        EXPECT_TRUE(large->bytes().empty());
    }
    const auto none = MappedFile::open(directory / "none");
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->bytes().empty());
    EXPECT_FALSE(MappedFile::open(directory.path()));
    EXPECT_FALSE(MappedFile::open(directory / "absent"));
}

}  // namespace evidence_test
}  // namespace keyscribe::evidence
