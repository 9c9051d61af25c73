// SPDX-License-Identifier: Apache-2.0
#include "tests/support/certificates.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::testing {

using appraise::Owned;

std::shared_ptr<EVP_PKEY> rsa_key(unsigned bits) { return {EVP_RSA_gen(bits), EVP_PKEY_free}; }
std::shared_ptr<EVP_PKEY> ec_key(const char* curve) { return {EVP_EC_gen(curve), EVP_PKEY_free}; }

Buffer spki_bits(EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    const Buffer spki(der, der + size);
    OPENSSL_free(der);
    const Bytes bits = *keyrings::public_key_of_spki(spki);
    return {bits.begin(), bits.end()};
}

Buffer certificate(EVP_PKEY* key, const std::string& subject, EVP_PKEY* issuer_key,
                   const std::string& issuer, const CertificateOptions& options, unsigned comment) {
    static std::atomic<long> serial = 1;
    Owned<X509> made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
    ASN1_TIME_set(X509_getm_notBefore(made.get()), options.not_before);
    ASN1_TIME_set(X509_getm_notAfter(made.get()), options.not_after);
    const auto name = [](X509_NAME* to, const std::string& text) {
        X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()), -1, 0);
    };
    name(X509_get_subject_name(made.get()), subject);
    name(X509_get_issuer_name(made.get()), issuer);
    X509_set_pubkey(made.get(), key);
    X509V3_CTX context;
    X509V3_set_ctx(&context, made.get(), made.get(), nullptr, nullptr, 0);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, &context, NID_subject_key_identifier, "hash");
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
    if (comment > 30) {
        // That much longer, as the extension itself takes 24 bytes or so.
        const std::string text(comment - 24, 'c');
        X509_EXTENSION* extra =
            X509V3_EXT_conf_nid(nullptr, &context, NID_netscape_comment, text.c_str());
        X509_add_ext(made.get(), extra, -1);
        X509_EXTENSION_free(extra);
    }
    X509_sign(made.get(), issuer_key, options.digest);
    unsigned char* der = nullptr;
    const int size = i2d_X509(made.get(), &der);
    Buffer bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

}  // namespace keyscribe::testing
