// SPDX-License-Identifier: Apache-2.0
// Reference values as a CoRIM, and CoRIMs of others.
#include "controller/service/references/corim.h"

#include <gtest/gtest.h>

#include "controller/list/cbor_stream.h"
#include "support.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::references {
namespace corim_test {

using list::CborType;
using list::CborWriter;
using testing::Buffer;
using testing::TwoCertificates;

const Buffer& a() { return TwoCertificates::shared().a; }
const Buffer& b() { return TwoCertificates::shared().b; }
constexpr std::int64_t kNow = 1'800'000'000;

Buffer head(unsigned type, std::uint64_t argument) {
    CborWriter to(9);
    to.head(static_cast<CborType>(type), argument);
    return to.take();
}
Buffer operator+(Buffer left, const Buffer& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}
Buffer number(std::uint64_t value) { return head(0, value); }
Buffer bytes(const Buffer& content) { return head(2, content.size()) + content; }
Buffer text(const std::string& content) {
    return head(3, content.size()) + Buffer(content.begin(), content.end());
}
Buffer array(const std::vector<Buffer>& items) {
    Buffer made = head(4, items.size());
    for (const Buffer& item : items) made = made + item;
    return made;
}
Buffer map(const std::vector<std::pair<std::uint64_t, Buffer>>& members) {
    Buffer made = head(5, members.size());
    for (const auto& [key, value] : members) made = made + number(key) + value;
    return made;
}
Buffer tag(std::uint64_t value, const Buffer& content) { return head(6, value) + content; }

Buffer sha256_of(const Buffer& content) {
    const Sha256 digest = sha256(content);
    return {digest.begin(), digest.end()};
}

using Members = std::vector<std::pair<std::uint64_t, Buffer>>;

/// A CoRIM with one reference triple of these measurements.
Buffer corim(const std::vector<Buffer>& measurements, const Members& more = {}) {
    const Buffer environment = map(
        {{0, map({{0, tag(37, bytes(Buffer(16, 7)))}, {1, text("ACME Inc.")}, {3, number(1)}})}});
    const Buffer comid = map({{1, map({{0, bytes(Buffer(16, 1))}})},
                              {2, array({map({{0, text("ACME Inc.")},
                                              {1, tag(32, text("https://acme.example"))},
                                              {2, array({number(0)})}})})},
                              {4, map({{0, array({array({environment, array(measurements)})})}})}});
    Members members{{0, bytes(Buffer(16, 2))}, {1, array({tag(506, bytes(comid))})}};
    members.insert(members.end(), more.begin(), more.end());
    return tag(501, map(members));
}
Buffer keys(const std::string& ring, const std::vector<Buffer>& content) {
    return map({{0, text(ring)}, {1, map({{13, array(content)}})}});
}

/// "a .ima, ..." of what is in it, with b's certificate known from elsewhere; or the error.
std::string read(const Buffer& content) {
    const auto found = read_corim(content, "f", kNow);
    if (!found) return found.error().what;
    Findings findings;
    if (const auto taken = take_corim(*found, {{b(), {}, {}, {}}}, "f", findings); !taken)
        return taken.error().what;
    std::string told;
    for (const FoundCertificate& one : findings.certificates)
        told += std::string(one.der == a()   ? "a"
                            : one.der == b() ? "b"
                                             : "?") +
                ' ' + one.keyrings.at(0) + ' ';
    return told;
}

TEST(Corim, WhatIsExportedIsImported) {
    appraise::ReferenceValues values;
    ASSERT_TRUE(values.add(a(), "x", ".ima"));
    ASSERT_TRUE(values.add(b(), "y", ".builtin_trusted_keys"));
    ASSERT_TRUE(values.add(a(), "z"));
    const Buffer made = corim_of(values);
    EXPECT_EQ(read(made), "a  b .builtin_trusted_keys a .ima ");
    EXPECT_EQ(corim_of(values), made);
    // The order of files decides nothing.
    appraise::ReferenceValues others;
    ASSERT_TRUE(others.add(a(), "1"));
    ASSERT_TRUE(others.add(b(), "2", ".builtin_trusted_keys"));
    ASSERT_TRUE(others.add(a(), "3", ".ima"));
    EXPECT_EQ(corim_of(others), made);
}

TEST(Corim, KeysInEachForm) {
    EXPECT_EQ(
        read(corim({keys(".ima", {tag(562, bytes(a())), tag(555, text(testing::pem_of(b())))})})),
        "a .ima b .ima ");
    EXPECT_EQ(read(corim({keys(".ima", {tag(559, array({number(1), bytes(sha256_of(b()))}))})})),
              "b .ima ");
    const auto view = keyrings::view_certificate(b());
    EXPECT_EQ(read(corim({keys(
                  ".ima", {tag(557, array({number(1), bytes(sha256_of({view->spki.begin(),
                                                                       view->spki.end()}))}))})})),
              "b .ima ");
    EXPECT_EQ(read(corim({keys(".ima", {tag(559, array({number(1), bytes(sha256_of(a()))}))})}))
                  .substr(0, 47),
              "a thumbprint of no certificate that is known: " + to_hex(sha256(a())).substr(0, 1));
    EXPECT_EQ(read(corim({keys(".ima", {tag(558, map({}))})})),
              "a key in a form from which no certificate can be told");
    EXPECT_EQ(read(corim({keys(".ima", {tag(559, array({number(7), bytes(sha256_of(a()))}))})})),
              "a thumbprint that is no SHA-256");
}

TEST(Corim, ManifestsOfOthers) {
    // As the draft's first example: a digest of firmware, and nothing of keys.
    const Buffer digests =
        map({{1, map({{0, map({{0, text("1.0.0")}, {1, number(16384)}})},
                      {2, array({array({number(1), bytes(Buffer(32, 3))})})}})}});
    const auto found = read_corim(corim({digests}), "f", kNow);
    ASSERT_TRUE(found) << to_string(found.error());
    EXPECT_EQ(found->reference_triples, 1u);
    EXPECT_EQ(found->measurements, 1u);
    EXPECT_TRUE(found->keys.empty());
    EXPECT_EQ(read(corim({digests})), "no keys are in it");
    // mkey may be a number or a UUID where no key stands.
    const Buffer other = map({{0, number(3)}, {1, map({{11, text("name")}})}});
    EXPECT_EQ(read(corim({other, keys(".ima", {tag(562, bytes(a()))})})), "a .ima ");
    EXPECT_EQ(read(corim({map({{0, number(3)}, {1, map({{13, array({tag(562, bytes(a()))})}})}})})),
              "keys of something that is not named as a keyring is");
}

TEST(Corim, ProfileAndValidity) {
    const std::vector<Buffer> one{keys(".ima", {tag(562, bytes(a()))})};
    const auto uri = [](std::string_view name) { return tag(32, text(std::string(name))); };
    EXPECT_EQ(read(corim(one, {{3, uri(kCorimProfile)}})), "a .ima ");
    EXPECT_EQ(read(corim(one, {{3, uri("https://other.example")}})),
              "a CoRIM of a profile that is not known here");
    const auto validity = [](std::int64_t from, std::int64_t until) {
        return map({{0, tag(1, number(static_cast<std::uint64_t>(from)))},
                    {1, tag(1, number(static_cast<std::uint64_t>(until)))}});
    };
    EXPECT_EQ(read(corim(one, {{4, validity(kNow, kNow)}})), "a .ima ");
    EXPECT_EQ(read(corim(one, {{4, validity(kNow + 1, kNow + 2)}})), "not valid yet");
    EXPECT_EQ(read(corim(one, {{4, validity(kNow - 2, kNow - 1)}})), "no longer valid");
    EXPECT_EQ(read(corim(one, {{4, map({})}})), "a validity that cannot be read");
}

TEST(Corim, BadInputIsRefusedWithItsPlace) {
    const Buffer whole = corim({keys(".ima", {tag(562, bytes(a()))})});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto refused = read_corim(Bytes(whole).first(size), "f", kNow);
        ASSERT_FALSE(refused) << size;
        EXPECT_EQ(refused.error().where.substr(0, 1), "f");
    }
    EXPECT_EQ(read(whole + Buffer{0}), "CBOR with something behind it");
    EXPECT_EQ(read(tag(18, array({}))), "a signed CoRIM");
    EXPECT_EQ(read(map({})), "not an unsigned CoRIM");
    EXPECT_EQ(read(tag(501, map({}))), "a CoRIM without an id or tags");
    EXPECT_EQ(read(tag(501, map({{0, number(1)}, {0, number(2)}}))),
              "CBOR that is damaged: a map with a key twice");
    EXPECT_EQ(read(Buffer{0x9f, 0xff}), "CBOR that is damaged: an indefinite or reserved length");
    EXPECT_EQ(read(Buffer(100, 0x81)), "CBOR that is damaged: nested too deeply");
    EXPECT_EQ(read(Buffer{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
              "CBOR that is damaged: cut short");
    EXPECT_EQ(read(Buffer{0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0}), "CBOR that is damaged: cut short");
    Buffer numbers{0x9a, 0x00, 0x10, 0x00, 0x00};  // 2^20, each a byte
    numbers.resize(numbers.size() + (1u << 20));
    EXPECT_EQ(read(numbers), "CBOR that is damaged: more than a million items");
}

}  // namespace corim_test
}  // namespace keyscribe::references
