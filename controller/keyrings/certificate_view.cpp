// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/certificate_view.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "controller/base/utf8.h"

namespace keyscribe::keyrings {
namespace {

// X.690, 8.1.2: identifier octets.
enum Tag : std::uint8_t {
    kBoolean = 0x01,
    kInteger = 0x02,
    kBitString = 0x03,
    kOctetString = 0x04,
    kOid = 0x06,
    kUtcTime = 0x17,
    kGeneralizedTime = 0x18,
    kUtf8String = 0x0c,
    kUniversalString = 0x1c,
    kBmpString = 0x1e,
    kSequence = 0x30,
    kKeyId = 0x80,       // AuthorityKeyIdentifier.keyIdentifier
    kVersion = 0xa0,     // TBSCertificate.version
    kIssuerId = 0x81,    // TBSCertificate.issuerUniqueID
    kSubjectId = 0x82,   // TBSCertificate.subjectUniqueID
    kExtensions = 0xa3,  // TBSCertificate.extensions
};

struct Value {
    std::uint8_t tag = 0;
    Bytes content;
    Bytes whole;
};

/// Reads values that lie end to end.
class Reader {
  public:
    explicit Reader(Bytes bytes) : rest_(bytes) {}
    bool empty() const { return rest_.empty(); }
    bool at(Tag tag) const { return !rest_.empty() && rest_[0] == tag; }

    std::optional<Value> next() {
        if (rest_.size() < 2 || (rest_[0] & 0x1f) == 0x1f) return std::nullopt;
        std::size_t length = rest_[1], header = 2;
        if (length >= 0x80) {
            const std::size_t octets = length & 0x7f;
            if (octets == 0 || octets > 4 || rest_.size() < 2 + octets || rest_[2] == 0)
                return std::nullopt;
            length = 0;
            for (const std::uint8_t octet : rest_.subspan(2, octets)) length = length << 8 | octet;
            if (length < 0x80) return std::nullopt;
            header += octets;
        }
        if (length > rest_.size() - header) return std::nullopt;
        const Value value{rest_[0], rest_.subspan(header, length), rest_.first(header + length)};
        rest_ = rest_.subspan(header + length);
        return value;
    }
    std::optional<Value> next(Tag tag) { return at(tag) ? next() : std::nullopt; }

  private:
    Bytes rest_;
};

std::optional<int> digits(std::string_view text) {
    int number = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return std::nullopt;
        number = number * 10 + (digit - '0');
    }
    return number;
}

/// RFC 5280, 4.1.2.5: YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ.
std::optional<std::int64_t> time_of(const Value& value) {
    std::string_view text(reinterpret_cast<const char*>(value.content.data()),
                          value.content.size());
    const std::size_t year_size = value.tag == kUtcTime ? 2 : 4;
    if ((value.tag != kUtcTime && value.tag != kGeneralizedTime) || text.size() != year_size + 11 ||
        !text.ends_with('Z'))
        return std::nullopt;
    auto year = digits(text.substr(0, year_size));
    if (!year) return std::nullopt;
    if (year_size == 2) *year += *year < 50 ? 2000 : 1900;
    text.remove_prefix(year_size);
    std::array<int, 5> parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto part = digits(text.substr(2 * i, 2));
        if (!part) return std::nullopt;
        parts[i] = *part;
    }
    const auto [month, day, hour, minute, second] = parts;
    const std::chrono::year_month_day date{std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return ((std::int64_t{days} * 24 + hour) * 60 + minute) * 60 + second;
}

/// An extension that is of use here. False: malformed.
bool read_extension(Bytes extension, CertificateView& view) {
    Reader reader(extension);
    const auto oid = reader.next(kOid);
    if (reader.at(kBoolean)) (void)reader.next();
    const auto wrapped = reader.next(kOctetString);
    if (!oid || !wrapped || !reader.empty()) return false;
    constexpr std::array<std::uint8_t, 3> kSubjectKeyId{0x55, 0x1d, 0x0e};
    constexpr std::array<std::uint8_t, 3> kAuthorityKeyId{0x55, 0x1d, 0x23};
    Reader inner(wrapped->content);
    if (std::ranges::equal(oid->content, kSubjectKeyId)) {
        const auto id = inner.next(kOctetString);
        if (!id) return false;
        view.subject_key_id = id->content;
    } else if (std::ranges::equal(oid->content, kAuthorityKeyId)) {
        const auto sequence = inner.next(kSequence);
        if (!sequence) return false;
        Reader parts(sequence->content);
        if (const auto id = parts.next(kKeyId)) view.authority_key_id = id->content;
    }
    return true;
}

bool read_extensions(Bytes wrapped, CertificateView& view) {
    Reader outer(wrapped);
    const auto sequence = outer.next(kSequence);
    if (!sequence || !outer.empty()) return false;
    Reader reader(sequence->content);
    while (!reader.empty()) {
        const auto extension = reader.next(kSequence);
        if (!extension || !read_extension(extension->content, view)) return false;
    }
    return true;
}

bool read_validity(Bytes validity, CertificateView& view) {
    Reader reader(validity);
    const auto before = reader.next(), after = reader.next();
    if (!before || !after || !reader.empty()) return false;
    const auto from = time_of(*before), until = time_of(*after);
    if (!from || !until) return false;
    view.not_before = *from;
    view.not_after = *until;
    return true;
}

bool read_tbs(Bytes tbs, CertificateView& view) {
    Reader reader(tbs);
    if (reader.at(kVersion)) (void)reader.next();
    const auto serial = reader.next(kInteger);
    const auto algorithm = reader.next(kSequence);
    const auto issuer = reader.next(kSequence);
    const auto validity = reader.next(kSequence);
    const auto subject = reader.next(kSequence);
    const auto spki = reader.next(kSequence);
    if (!serial || !algorithm || !issuer || !validity || !subject || !spki) return false;
    view.serial = serial->content;
    view.issuer = issuer->whole;
    view.subject = subject->whole;
    view.spki = spki->whole;
    const auto key = public_key_of_spki(spki->whole);
    if (!key || !read_validity(validity->content, view)) return false;
    view.public_key = *key;
    if (reader.at(kIssuerId)) (void)reader.next();
    if (reader.at(kSubjectId)) (void)reader.next();
    if (reader.empty()) return true;
    const auto extensions = reader.next(kExtensions);
    return extensions && reader.empty() && read_extensions(extensions->content, view);
}

/// A DirectoryString (RFC 5280, 4.1.2.4) or another of ASN.1's strings. Those of one byte a letter
/// are read as Latin-1, as OpenSSL does.
std::string utf8_of(const Value& value) {
    if (value.tag == kUtf8String) return std::string(as_text(value.content));
    const std::size_t width = value.tag == kUniversalString ? 4 : value.tag == kBmpString ? 2 : 1;
    std::string text;
    char32_t high = 0;  // the first half of a pair in UTF-16
    for (Bytes rest = value.content; rest.size() >= width; rest = rest.subspan(width)) {
        char32_t code = 0;
        for (const std::uint8_t byte : rest.first(width)) code = code << 8 | byte;
        if (width == 2 && high != 0 && code >= 0xdc00 && code <= 0xdfff)
            code = 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00);
        high = width == 2 && code >= 0xd800 && code <= 0xdbff ? code : 0;
        if (high == 0) append_utf8(text, code <= 0x10ffff ? code : 0xfffd);
    }
    return text;
}

}  // namespace

std::string display_name(const CertificateView& certificate) {
    // id-at-commonName and id-at-organizationName: RFC 5280, appendix A.1.
    constexpr std::array<std::uint8_t, 3> kCommonName{0x55, 0x04, 0x03};
    constexpr std::array<std::uint8_t, 3> kOrganization{0x55, 0x04, 0x0a};
    std::string organization;
    const auto subject = Reader(certificate.subject).next(kSequence);
    for (Reader names(subject ? subject->content : Bytes()); !names.empty();) {
        const auto set = names.next();
        if (!set) break;
        const auto attribute = Reader(set->content).next(kSequence);
        if (!attribute) break;
        Reader parts(attribute->content);
        const auto oid = parts.next(kOid), value = parts.next();
        if (!oid || !value) break;
        constexpr std::size_t kShown = 200;
        const std::string text = visible(utf8_of(*value), kShown);
        if (std::ranges::equal(oid->content, kCommonName)) return text;
        if (std::ranges::equal(oid->content, kOrganization)) organization = text;
    }
    return organization;
}

std::optional<std::size_t> der_size(Bytes der) {
    const auto value = Reader(der).next();
    return value ? std::optional(value->whole.size()) : std::nullopt;
}

std::optional<Bytes> public_key_of_spki(Bytes spki) {
    const auto outer = Reader(spki).next(kSequence);
    if (!outer) return std::nullopt;
    Reader reader(outer->content);
    const auto algorithm = reader.next(kSequence);
    const auto bits = reader.next(kBitString);
    if (!algorithm || !bits || !reader.empty() || bits->content.empty() || bits->content[0] != 0)
        return std::nullopt;
    return bits->content.subspan(1);
}

std::optional<CertificateView> view_certificate(Bytes der) {
    const auto outer = Reader(der).next(kSequence);
    if (!outer || outer->whole.size() != der.size()) return std::nullopt;
    Reader reader(outer->content);
    const auto tbs = reader.next(kSequence);
    const auto algorithm = reader.next(kSequence);
    const auto signature = reader.next(kBitString);
    CertificateView view{.der = der, .tbs = tbs ? tbs->whole : Bytes()};
    if (!tbs || !algorithm || !signature || !reader.empty() || !read_tbs(tbs->content, view))
        return std::nullopt;
    return view;
}

}  // namespace keyscribe::keyrings
