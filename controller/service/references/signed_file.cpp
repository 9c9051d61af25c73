// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/signed_file.h"

#include <openssl/cms.h>
#include <openssl/pkcs7.h>

#include <algorithm>
#include <memory>

#include "controller/base/little_endian.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/references/pe_file.h"

namespace keyscribe::references {
namespace {

using appraise::Owned;

struct Free {
    void operator()(CMS_ContentInfo* cms) const { CMS_ContentInfo_free(cms); }
    void operator()(PKCS7* bundle) const { PKCS7_free(bundle); }
    void operator()(STACK_OF(X509) * all) const { sk_X509_pop_free(all, X509_free); }
    void operator()(char* text) const { OPENSSL_free(text); }
};
template <class T>
using Freed = std::unique_ptr<T, Free>;

/// Linux, scripts/sign-file.c and include/linux/module_signature.h.
constexpr std::string_view kMarker = "~Module signature appended~\n";
constexpr std::size_t kInfo = 12;
constexpr std::uint8_t kPkcs7Id = 2;  // PKEY_ID_PKCS7

std::string name_text(const X509_NAME* name) {
    const Owned<BIO> text(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string serial_text(const ASN1_INTEGER* serial) {
    const Owned<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
    const Freed<char> hex(number ? BN_bn2hex(number.get()) : nullptr);
    return hex ? hex.get() : std::string();
}

std::string digest_name(const X509_ALGOR* algorithm) {
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    std::string name = OBJ_nid2sn(OBJ_obj2nid(object));
    std::ranges::transform(name, name.begin(),
                           [](unsigned char letter) { return std::tolower(letter); });
    return name;
}

std::vector<std::uint8_t> der_of(const X509* certificate) {
    unsigned char* encoded = nullptr;
    const int size = i2d_X509(certificate, &encoded);
    std::vector<std::uint8_t> der(encoded, encoded + std::max(size, 0));
    OPENSSL_free(encoded);
    return der;
}

/// SPC_INDIRECT_DATA_OBJID, 1.3.6.1.4.1.311.2.1.4 (Windows Authenticode Portable Executable
/// Signature Format, 1.0).
bool is_indirect_data(const ASN1_OBJECT* type) {
    constexpr std::uint8_t kIndirectData[] = {0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 4};
    return std::ranges::equal(Bytes(OBJ_get0_data(type), OBJ_length(type)), kIndirectData);
}

/// SpcIndirectDataContent: SEQUENCE { SpcAttributeTypeAndOptionalValue, DigestInfo }. Returns the
/// digest, the last value in it; empty: another form.
Bytes signed_digest(Bytes content) {
    const auto skip = [](Bytes& rest, std::uint8_t tag) -> Bytes {
        const auto size = rest.empty() || rest[0] != tag ? std::nullopt : keyrings::der_size(rest);
        if (!size) return {};
        const Bytes value = rest.first(*size);
        rest = rest.subspan(*size);
        const std::size_t header = value[1] < 0x80 ? 2 : 2 + (value[1] & 0x7fu);
        return value.subspan(header);
    };
    Bytes inner = skip(content, 0x30);
    if (skip(inner, 0x30).empty()) return {};
    Bytes info = skip(inner, 0x30);
    if (skip(info, 0x30).empty()) return {};
    return skip(info, 0x04);
}

Result<FileSignature> authenticode(Bytes der, const PeFile& file, const std::string& where) {
    const unsigned char* at = der.data();
    const Freed<PKCS7> bundle(d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
    ERR_clear_error();
    if (!bundle || !PKCS7_type_is_signed(bundle.get()) || bundle->d.sign == nullptr)
        return fail("an Authenticode signature that is damaged", where);
    const PKCS7_SIGNED& content = *bundle->d.sign;
    FileSignature signature{"Authenticode", {}, {}};
    for (int i = 0; i < sk_PKCS7_SIGNER_INFO_num(content.signer_info); ++i) {
        PKCS7_SIGNER_INFO* info = sk_PKCS7_SIGNER_INFO_value(content.signer_info, i);
        if (info->issuer_and_serial == nullptr)
            return fail("an Authenticode signature that is damaged", where);
        Signer signer{name_text(info->issuer_and_serial->issuer),
                      serial_text(info->issuer_and_serial->serial),
                      {},
                      {},
                      digest_name(info->digest_alg)};
        if (X509* certificate = X509_find_by_issuer_and_serial(
                content.cert, info->issuer_and_serial->issuer, info->issuer_and_serial->serial))
            signer.certificate = der_of(certificate);
        signature.signers.push_back(std::move(signer));
    }
    const PKCS7* data = content.contents;
    // Of a type that OpenSSL knows, `d` is another structure than an ASN1_TYPE.
    if (data != nullptr && is_indirect_data(data->type) && data->d.other != nullptr &&
        data->d.other->type == V_ASN1_SEQUENCE) {
        const ASN1_STRING& value = *data->d.other->value.sequence;
        const Bytes digest = signed_digest(
            {ASN1_STRING_get0_data(&value), static_cast<std::size_t>(ASN1_STRING_length(&value))});
        if (digest.size() == file.authenticode.size())
            signature.covers_file = std::ranges::equal(digest, file.authenticode);
    }
    return signature;
}

}  // namespace

bool has_module_signature(Bytes content) { return as_text(content).ends_with(kMarker); }

Result<FileSignature> read_module_signature(Bytes content, const std::string& where) {
    const auto damaged = [&](const char* what) {
        return fail(std::string("a module's signature that is damaged: ") + what, where);
    };
    if (!has_module_signature(content)) return damaged("it lacks the marker at its end");
    content = content.first(content.size() - kMarker.size());
    if (content.size() < kInfo) return damaged("it is cut short");
    const Bytes info = content.last(kInfo);
    content = content.first(content.size() - kInfo);
    const std::size_t size = load_be32(info.data() + 8);
    if (info[2] != kPkcs7Id) return damaged("it is no PKCS#7");
    if (size > content.size()) return damaged("it is cut short");
    const unsigned char* at = content.data() + content.size() - size;
    const Freed<CMS_ContentInfo> cms(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(size)));
    ERR_clear_error();
    if (!cms) return damaged("it is no PKCS#7");
    const Freed<STACK_OF(X509)> certificates(CMS_get1_certs(cms.get()));
    FileSignature signature{"module", {}, {}};
    STACK_OF(CMS_SignerInfo)* infos = CMS_get0_SignerInfos(cms.get());
    for (int i = 0; i < sk_CMS_SignerInfo_num(infos); ++i) {
        CMS_SignerInfo* one = sk_CMS_SignerInfo_value(infos, i);
        ASN1_OCTET_STRING* key_id = nullptr;
        X509_NAME* issuer = nullptr;
        ASN1_INTEGER* serial = nullptr;
        CMS_SignerInfo_get0_signer_id(one, &key_id, &issuer, &serial);
        Signer signer;
        if (issuer != nullptr) signer.issuer = name_text(issuer);
        if (serial != nullptr) signer.serial = serial_text(serial);
        if (key_id != nullptr)
            signer.key_id.assign(ASN1_STRING_get0_data(key_id),
                                 ASN1_STRING_get0_data(key_id) + ASN1_STRING_length(key_id));
        X509_ALGOR* digest = nullptr;
        CMS_SignerInfo_get0_algs(one, nullptr, nullptr, &digest, nullptr);
        if (digest != nullptr) signer.digest = digest_name(digest);
        for (int k = 0; k < sk_X509_num(certificates.get()); ++k)
            if (CMS_SignerInfo_cert_cmp(one, sk_X509_value(certificates.get(), k)) == 0)
                signer.certificate = der_of(sk_X509_value(certificates.get(), k));
        signature.signers.push_back(std::move(signer));
    }
    if (signature.signers.empty()) return damaged("it has no signer");
    return signature;
}

Result<std::vector<FileSignature>> read_authenticode(Bytes content, const std::string& where) {
    const auto file = read_pe_file(content, where);
    if (!file) return std::unexpected(file.error());
    std::vector<FileSignature> found;
    for (const Bytes der : file->signatures) {
        auto signature = authenticode(der, *file, where);
        if (!signature) return std::unexpected(signature.error());
        found.push_back(std::move(*signature));
    }
    return found;
}

}  // namespace keyscribe::references
