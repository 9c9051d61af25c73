// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/certificate_file.h"

#include <openssl/pkcs7.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/efi_signatures.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::appraise {
namespace {

constexpr std::size_t kMaxSize = 64u << 20;
/// OpenSSL takes 0.2 ms and 5 KB for each certificate.
constexpr std::size_t kMaxBer = 4u << 20;

struct FreePkcs7 {
    void operator()(PKCS7* bundle) const { PKCS7_free(bundle); }
};

std::unexpected<Error> not_a_certificate(const std::string& where) {
    return fail("not an X.509 certificate", where, "certificates are expected here");
}

Result<void> add_certificate(Bytes der, const std::string& where, CertificateFile& to) {
    if (!keyrings::view_certificate(der)) return not_a_certificate(where);
    to.certificates.push_back({{der.begin(), der.end()}, where});
    return {};
}

/// ContentInfo of type signedData: SEQUENCE { OBJECT IDENTIFIER 1.2.840.113549.1.7.2 (RFC 2315).
bool is_pkcs7(Bytes der) {
    constexpr std::array<std::uint8_t, 11> kSignedData{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                                       0xf7, 0x0d, 0x01, 0x07, 0x02};
    if (der.size() < 2 || der[0] != 0x30) return false;
    const std::size_t header = der[1] <= 0x80 ? 2 : 2 + (der[1] & 0x7fu);
    return der.size() >= header + kSignedData.size() &&
           std::ranges::equal(der.subspan(header, kSignedData.size()), kSignedData);
}

/// The content of the DER value at the beginning of `rest`, which it leaves behind itself. Nothing:
/// one of another tag, or a length that is indefinite or does not add up.
std::optional<Bytes> take_der(Bytes& rest, std::uint8_t tag) {
    const auto size = rest.empty() || rest[0] != tag ? std::nullopt : keyrings::der_size(rest);
    if (!size) return std::nullopt;
    const Bytes value = rest.first(*size);
    rest = rest.subspan(*size);
    return value.subspan(value[1] < 0x80 ? 2 : 2 + (value[1] & 0x7fu));
}

/// What a bundle in DER has: the certificates, end to end. Nothing: it is in BER, or no mere bundle
/// (RFC 2315, 9.1).
std::optional<Bytes> certificates_of_bundle(Bytes der) {
    auto info = take_der(der, 0x30);
    if (!info || !der.empty() || !take_der(*info, 0x06)) return std::nullopt;
    auto explicit_content = take_der(*info, 0xa0);
    if (!explicit_content || !info->empty()) return std::nullopt;
    auto content = take_der(*explicit_content, 0x30);
    if (!content || !explicit_content->empty()) return std::nullopt;
    const bool begins =
        take_der(*content, 0x02) && take_der(*content, 0x31) && take_der(*content, 0x30);
    const auto certificates = begins ? take_der(*content, 0xa0) : std::nullopt;
    const auto signers = certificates ? take_der(*content, 0x31) : std::nullopt;
    if (!signers || !signers->empty() || !content->empty() || certificates->empty())
        return std::nullopt;
    return certificates;
}

Result<void> add_pkcs7(Bytes der, const std::string& where, CertificateFile& to) {
    if (auto rest = certificates_of_bundle(der)) {
        while (!rest->empty()) {
            const auto size = keyrings::der_size(*rest);
            if (!size) return fail("PKCS#7 that is damaged", where);
            if (auto added = add_certificate(rest->first(*size), where, to); !added) return added;
            *rest = rest->subspan(*size);
        }
        return {};
    }
    if (der.size() > kMaxBer)
        return fail("PKCS#7 of more than " + std::to_string(kMaxBer >> 20) +
                        " MiB that is no bundle in DER",
                    where, "`openssl pkcs7 -outform DER` makes one of it");
    const unsigned char* at = der.data();
    const std::unique_ptr<PKCS7, FreePkcs7> bundle(
        d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
    ERR_clear_error();
    if (!bundle || at != der.data() + der.size() || !PKCS7_type_is_signed(bundle.get()) ||
        bundle->d.sign == nullptr)
        return fail("PKCS#7 that is damaged", where);
    const PKCS7_SIGNED& content = *bundle->d.sign;
    if (sk_PKCS7_SIGNER_INFO_num(content.signer_info) > 0 || sk_X509_CRL_num(content.crl) > 0)
        return fail("PKCS#7 that is no mere bundle: a signature or a revocation list is in it",
                    where, "`openssl pkcs7 -print_certs` takes the certificates out");
    const int count = sk_X509_num(content.cert);
    if (count <= 0) return fail("PKCS#7 without a certificate", where);
    for (int i = 0; i < count; ++i) {
        unsigned char* encoded = nullptr;
        const int size = i2d_X509(sk_X509_value(content.cert, i), &encoded);
        if (size <= 0) return not_a_certificate(where);
        auto added = add_certificate({encoded, static_cast<std::size_t>(size)}, where, to);
        OPENSSL_free(encoded);
        if (!added) return added;
    }
    return {};
}

Result<void> add_der(Bytes content, const std::string& file, CertificateFile& to) {
    if (is_pkcs7(content)) return add_pkcs7(content, file, to);
    while (!content.empty()) {
        const auto size = keyrings::der_size(content);
        if (!size || content[0] != 0x30)
            return fail("neither PEM, DER, PKCS#7 nor an EFI signature list", file,
                        "certificates are expected here");
        const Bytes one = content.first(*size);
        if (keyrings::public_key_of_spki(one))
            to.public_keys.push_back({{one.begin(), one.end()}, file});
        else if (auto added = add_certificate(one, file, to); !added)
            return added;
        content = content.subspan(*size);
    }
    return {};
}

Result<void> add_block(const PemBlock& block, const std::string& file, CertificateFile& to) {
    const std::string where = at_line(file, block.line);
    if (block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE") {
        // Some programs write bundles under this label too (RFC 7468, 5.1).
        return is_pkcs7(block.data) ? add_pkcs7(block.data, where, to)
                                    : add_certificate(block.data, where, to);
    }
    if (block.label == "PKCS7" || block.label == "CMS") return add_pkcs7(block.data, where, to);
    if (block.label == "PUBLIC KEY") {
        const auto size = keyrings::der_size(block.data);
        if (!size || *size != block.data.size() || !keyrings::public_key_of_spki(block.data))
            return fail("a PUBLIC KEY that is damaged", where);
        to.public_keys.push_back({block.data, where});
        return {};
    }
    return fail("a PEM block of another kind than a certificate: " + block.label, where);
}

/// No byte of it is a control character but blanks and line ends. DER and EFI lists always have
/// some: lengths, versions and tags.
bool is_text(Bytes content) {
    return std::ranges::all_of(
        content, [](std::uint8_t byte) { return byte >= ' ' || (byte >= '\t' && byte <= '\r'); });
}

/// Letters of base64 from which on they are taken for data, not for a word.
constexpr std::size_t kLeastData = 40;

bool is_base64(std::string_view word) {
    while (word.ends_with('=')) word.remove_suffix(1);
    return std::ranges::all_of(word, [](unsigned char letter) {
        return std::isalnum(letter) || letter == '+' || letter == '/';
    });
}

/// Base64 or a digest, where text was expected: a certificate whose BEGIN line is gone, or a line
/// of another kind of file. `openssl x509 -text` writes at most 20 bytes in a line.
bool looks_like_data(std::string_view line) {
    constexpr std::size_t kDigestWithColons = 3 * 32 - 1;
    const auto of_hex = [](unsigned char letter) { return std::isxdigit(letter) || letter == ':'; };
    if (std::ranges::all_of(line, of_hex) && line.find(':') != line.npos)
        return line.size() >= kDigestWithColons;
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    return word.size() >= kLeastData && is_base64(word);
}

}  // namespace

Result<CertificateFile> read_certificate_file(Bytes content, const std::string& file) {
    if (content.empty()) return fail("the file is empty", file);
    if (content.size() > kMaxSize) return fail("the file has more than 64 MiB", file);
    CertificateFile found;
    if (is_text(content)) {
        auto pem = read_pem(as_text(content), file);
        if (!pem) return std::unexpected(pem.error());
        for (const PemBlock& block : pem->blocks)
            if (auto added = add_block(block, file, found); !added)
                return std::unexpected(added.error());
        found.text = std::move(pem->between);
    } else if (is_efi_signatures(content)) {
        auto signatures = read_efi_signatures(content, file);
        if (!signatures) return std::unexpected(signatures.error());
        for (const Bytes der : signatures->certificates)
            if (auto added = add_certificate(der, file, found); !added)
                return std::unexpected(added.error());
        found.tbs_digests = std::move(signatures->certificate_digests);
    } else if (auto added = add_der(content, file, found); !added) {
        return std::unexpected(added.error());
    }
    return found;
}

Result<void> refuse_loose_data(const CertificateFile& content, const std::string& file) {
    // Lines that follow each other are one, in however short ones base64 is wrapped.
    std::size_t letters = 0, before = 0;
    for (const TextLine& line : content.text) {
        if (line.number != before + 1 || !is_base64(line.text)) letters = 0;
        if (is_base64(line.text)) letters += line.text.size();
        before = line.number;
        if (letters >= kLeastData || looks_like_data(line.text))
            return fail("base64 or a digest outside of a PEM block", at_line(file, line.number),
                        "a BEGIN line may be missing");
    }
    return {};
}

Result<std::vector<FileItem>> read_certificates(Bytes content, const std::string& file) {
    auto found = read_certificate_file(content, file);
    if (!found) return std::unexpected(found.error());
    if (!found->public_keys.empty())
        return fail("a public key, where certificates are expected", found->public_keys[0].where);
    if (!found->tbs_digests.empty())
        return fail("digests of certificates, where certificates are expected", file);
    if (auto none = refuse_loose_data(*found, file); !none) return std::unexpected(none.error());
    if (found->certificates.empty())
        return fail("no certificate is in it", file, "certificates are expected here");
    return std::move(found->certificates);
}

}  // namespace keyscribe::appraise
