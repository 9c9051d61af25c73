// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/corim.h"

#include <algorithm>
#include <map>

#include "controller/keyrings/certificate_view.h"
#include "controller/list/cbor_stream.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/references/cbor_tree.h"

namespace keyscribe::references {
namespace {

using Kind = CborNode::Kind;
using list::CborType;
using list::CborWriter;

// Tags: the draft, "CBOR Tags"; RFC 8949, 3.4.5.3 (URI), 3.4.2 (time); RFC 9052 (COSE_Sign1).
enum Tag : std::uint64_t {
    kEpochTime = 1,
    kCoseSign1 = 18,
    kUri = 32,
    kUnsignedCorim = 501,
    kComid = 506,
    kPkixBase64Cert = 555,
    kKeyThumbprint = 557,
    kCertThumbprint = 559,
    kPkixDerCert = 562,
};

// Keys of maps: corim-map, concise-mid-tag, triples-map, environment-map, class-map,
// measurement-map, measurement-values-map.
enum Field : std::uint64_t {
    kCorimId = 0,
    kCorimTags = 1,
    kCorimProfileKey = 3,
    kCorimValidity = 4,
    kComidIdentity = 1,
    kComidTriples = 4,
    kReferenceTriples = 0,
    kClass = 0,
    kVendor = 1,
    kModel = 2,
    kMkey = 0,
    kMval = 1,
    kCryptoKeys = 13,
};

constexpr std::uint64_t kSha256 = 1;  // IANA, Named Information Hash Algorithm Registry

void tag(CborWriter& to, std::uint64_t number) {
    // Type 6, which the deterministic writer has no name for.
    to.head(static_cast<CborType>(6), number);
}

/// A UUID of version 8 (RFC 9562, 5.8) that the content decides.
std::vector<std::uint8_t> uuid_of(Bytes content, std::uint8_t which) {
    const Digest digest = hash(Algorithm::kSha256, content, Bytes(&which, 1));
    std::vector<std::uint8_t> uuid(digest.bytes.begin(), digest.bytes.begin() + 16);
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x80);
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
    return uuid;
}

/// [reference-triple-record]: one environment, a measurement for each keyring.
std::vector<std::uint8_t> triples_of(const appraise::ReferenceValues& values) {
    std::map<std::string, std::map<Sha256, Bytes>> rings;
    for (const appraise::Reference& one : values.all())
        rings[one.keyring].emplace(one.digest, one.view.der);
    CborWriter to(1u << 16);
    to.head(CborType::kMap, 1);
    to.head(CborType::kUint, kReferenceTriples);
    to.head(CborType::kArray, 1);
    to.head(CborType::kArray, 2);
    to.head(CborType::kMap, 1);
    to.head(CborType::kUint, kClass);
    to.head(CborType::kMap, 2);
    to.head(CborType::kUint, kVendor);
    to.text("Linux");
    to.head(CborType::kUint, kModel);
    to.text("keyrings");
    to.head(CborType::kArray, rings.size());
    for (const auto& [ring, certificates] : rings) {
        to.head(CborType::kMap, ring.empty() ? 1 : 2);
        if (!ring.empty()) {
            to.head(CborType::kUint, kMkey);
            to.text(ring);
        }
        to.head(CborType::kUint, kMval);
        to.head(CborType::kMap, 1);
        to.head(CborType::kUint, kCryptoKeys);
        to.head(CborType::kArray, certificates.size());
        for (const auto& [digest, der] : certificates) {
            tag(to, kPkixDerCert);
            to.bytes(der);
        }
    }
    return to.take();
}

void append(std::vector<std::uint8_t>& to, const std::vector<std::uint8_t>& bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

std::unexpected<Error> wrong(const std::string& what, const CborNode& node,
                             const std::string& where) {
    return fail(what, where + ", byte " + std::to_string(node.offset));
}

/// A digest of the draft: [algorithm, bytes].
std::optional<Sha256> digest_of(const CborNode& node) {
    Sha256 digest;
    if (!node.is(Kind::kArray) || node.children.size() != 2 || !node.children[0].is(Kind::kUint) ||
        node.children[0].number != kSha256 || !node.children[1].is(Kind::kBytes) ||
        node.children[1].content.size() != digest.size())
        return std::nullopt;
    std::ranges::copy(node.children[1].content, digest.begin());
    return digest;
}

Result<CorimKey> key_of(const CborNode& node, const std::string& where) {
    CorimKey key;
    key.where = where + ", byte " + std::to_string(node.offset);
    if (const CborNode* der = node.tagged(kPkixDerCert); der != nullptr && der->is(Kind::kBytes)) {
        if (!keyrings::view_certificate(der->content))
            return wrong("not an X.509 certificate", node, where);
        key.certificate.assign(der->content.begin(), der->content.end());
        return key;
    }
    if (const CborNode* pem = node.tagged(kPkixBase64Cert);
        pem != nullptr && pem->is(Kind::kText)) {
        auto certificates = appraise::read_certificates(pem->content, key.where);
        if (!certificates) return std::unexpected(certificates.error());
        if (certificates->size() != 1) return wrong("more than one certificate", node, where);
        key.certificate = std::move(certificates->front().der);
        return key;
    }
    for (const std::uint64_t tag : {kCertThumbprint, kKeyThumbprint})
        if (const CborNode* digest = node.tagged(tag)) {
            key.thumbprint = digest_of(*digest);
            key.of_key = tag == kKeyThumbprint;
            if (!key.thumbprint) return wrong("a thumbprint that is no SHA-256", node, where);
            return key;
        }
    return wrong("a key in a form from which no certificate can be told", node, where);
}

Result<void> read_measurement(const CborNode& measurement, const std::string& where, Corim& to) {
    const CborNode* values = measurement.member(kMval);
    if (values == nullptr || !values->is(Kind::kMap))
        return wrong("a measurement without values", measurement, where);
    ++to.measurements;
    const CborNode* keys = values->member(kCryptoKeys);
    if (keys == nullptr) return {};
    if (!keys->is(Kind::kArray)) return wrong("keys that are no array", *keys, where);
    std::string keyring;
    if (const CborNode* mkey = measurement.member(kMkey)) {
        if (!mkey->is(Kind::kText) || mkey->content.empty())
            return wrong("keys of something that is not named as a keyring is", *mkey, where);
        keyring = mkey->text();
    }
    for (const CborNode& node : keys->children) {
        auto key = key_of(node, where);
        if (!key) return std::unexpected(key.error());
        key->keyring = keyring;
        to.keys.push_back(std::move(*key));
    }
    return {};
}

Result<void> read_comid(const CborNode& comid, const std::string& where, Corim& to) {
    const CborNode* triples = comid.member(kComidTriples);
    if (comid.member(kComidIdentity) == nullptr || triples == nullptr || !triples->is(Kind::kMap))
        return wrong("a CoMID without an identity or triples", comid, where);
    const CborNode* references = triples->member(kReferenceTriples);
    if (references == nullptr) return {};
    if (!references->is(Kind::kArray))
        return wrong("triples that are no array", *references, where);
    for (const CborNode& triple : references->children) {
        if (!triple.is(Kind::kArray) || triple.children.size() != 2 ||
            !triple.children[0].is(Kind::kMap) || !triple.children[1].is(Kind::kArray))
            return wrong("a reference triple of another form", triple, where);
        ++to.reference_triples;
        for (const CborNode& measurement : triple.children[1].children)
            if (auto read = read_measurement(measurement, where, to); !read) return read;
    }
    return {};
}

/// Absent, or ours: of another the draft forbids to take anything.
Result<void> check_profile(const CborNode& corim, const std::string& where) {
    const CborNode* profile = corim.member(kCorimProfileKey);
    if (profile == nullptr) return {};
    const CborNode* uri = profile->tagged(kUri);
    if (uri != nullptr && uri->is(Kind::kText) && uri->text() == kCorimProfile) return {};
    return wrong("a CoRIM of a profile that is not known here", *profile, where);
}

Result<void> check_validity(const CborNode& corim, const std::string& where, std::int64_t now) {
    const CborNode* validity = corim.member(kCorimValidity);
    if (validity == nullptr) return {};
    for (const std::uint64_t member : {0, 1}) {  // not-before, not-after
        const CborNode* time = validity->member(member);
        if (time == nullptr && member == 0) continue;
        const CborNode* seconds = time != nullptr ? time->tagged(kEpochTime) : nullptr;
        if (seconds == nullptr || !seconds->is(Kind::kUint) || seconds->number > INT64_MAX)
            return wrong("a validity that cannot be read", *validity, where);
        const auto limit = static_cast<std::int64_t>(seconds->number);
        if (member == 0 ? now < limit : now > limit)
            return wrong(member == 0 ? "not valid yet" : "no longer valid", *validity, where);
    }
    return {};
}

}  // namespace

std::vector<std::uint8_t> corim_of(const appraise::ReferenceValues& values) {
    const std::vector<std::uint8_t> triples = triples_of(values);
    CborWriter comid(64);
    comid.head(CborType::kMap, 2);
    comid.head(CborType::kUint, kComidIdentity);
    comid.head(CborType::kMap, 1);
    comid.head(CborType::kUint, 0);
    comid.bytes(uuid_of(triples, 1));
    comid.head(CborType::kUint, kComidTriples);
    std::vector<std::uint8_t> tag_bytes = comid.take();
    append(tag_bytes, triples);

    CborWriter to(tag_bytes.size() + 128);
    tag(to, kUnsignedCorim);
    to.head(CborType::kMap, 3);
    to.head(CborType::kUint, kCorimId);
    to.bytes(uuid_of(triples, 0));
    to.head(CborType::kUint, kCorimTags);
    to.head(CborType::kArray, 1);
    tag(to, kComid);
    to.bytes(tag_bytes);
    to.head(CborType::kUint, kCorimProfileKey);
    tag(to, kUri);
    to.text(kCorimProfile);
    return to.take();
}

Result<Corim> read_corim(Bytes content, const std::string& where, std::int64_t now) {
    const auto tree = parse_cbor_tree(content, where);
    if (!tree) return std::unexpected(tree.error());
    if (tree->tagged(kCoseSign1) != nullptr)
        return fail("a signed CoRIM", where,
                    "verify its signature with a tool for COSE, and take the payload");
    const CborNode* corim = tree->tagged(kUnsignedCorim);
    if (corim == nullptr || !corim->is(Kind::kMap)) return fail("not an unsigned CoRIM", where);
    if (auto checked = check_profile(*corim, where); !checked)
        return std::unexpected(checked.error());
    if (auto checked = check_validity(*corim, where, now); !checked)
        return std::unexpected(checked.error());
    const CborNode* tags = corim->member(kCorimTags);
    if (corim->member(kCorimId) == nullptr || tags == nullptr || !tags->is(Kind::kArray) ||
        tags->children.empty())
        return fail("a CoRIM without an id or tags", where);
    Corim read;
    for (const CborNode& one : tags->children) {
        const CborNode* bytes = one.tagged(kComid);
        // CoSWID (505) names software, CoTL (508) other tags: neither has keys of keyrings.
        if (bytes == nullptr) continue;
        if (!bytes->is(Kind::kBytes)) return wrong("a CoMID that is no byte string", one, where);
        const auto base = static_cast<std::size_t>(bytes->content.data() - content.data());
        const auto comid = parse_cbor_tree(bytes->content, where, base);
        if (!comid) return std::unexpected(comid.error());
        if (auto done = read_comid(*comid, where, read); !done)
            return std::unexpected(done.error());
    }
    return read;
}

Result<void> take_corim(const Corim& corim, const std::vector<FoundCertificate>& known,
                        const std::string& where, Findings& to) {
    if (corim.keys.empty())
        return fail("no keys are in it", where,
                    "expected are reference triples whose measurements have crypto-keys");
    // A CoRIM may have a million thumbprints, and the folder as many certificates.
    std::map<Sha256, const FoundCertificate*> by_certificate, by_key;
    for (const FoundCertificate& found : known)
        if (const auto view = keyrings::view_certificate(found.der)) {
            by_certificate.emplace(sha256(view->der), &found);
            by_key.emplace(sha256(view->spki), &found);
        }
    for (const CorimKey& key : corim.keys) {
        std::vector<std::uint8_t> der = key.certificate;
        if (key.thumbprint) {
            const auto& index = key.of_key ? by_key : by_certificate;
            const auto found = index.find(*key.thumbprint);
            if (found == index.end())
                return fail(
                    "a thumbprint of no certificate that is known: " + to_hex(*key.thumbprint),
                    key.where, "name a folder that has it with --certificates");
            der = found->second->der;
        }
        to.certificates.push_back({std::move(der), {key.keyring}, "CoRIM", key.where});
    }
    return {};
}

}  // namespace keyscribe::references
