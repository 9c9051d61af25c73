// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>

#include "controller/base/base64.h"
#include "controller/base/mapped_file.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::verifier {
namespace {

using appraise::Owned;

constexpr long kTenYears = 3650L * 86400;

std::string host_name(const Settings& settings) {
    if (!settings.listen.name.empty()) return settings.listen.name;
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name[0] == '\0' ? "localhost" : name.data();
}

void add_extension(X509* certificate, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    if (extension == nullptr) return;
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

std::string text_of(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(size)};
}

/// The key, then the certificate, both PEM.
SecretText make_own(const std::string& name) {
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
    const Owned<X509> certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    const auto serial = random_bytes();
    const Owned<BIGNUM> number(BN_bin2bn(serial.data(), 16, nullptr));
    BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get()));
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kTenYears);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* subject = X509_get_subject_name(certificate.get());
    const std::string common = name.substr(0, 64);  // RFC 5280, ub-common-name
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), subject);
    add_extension(certificate.get(), NID_subject_alt_name,
                  "DNS:" + name + ",DNS:localhost,IP:127.0.0.1,IP:::1");
    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    const Owned<BIO> out(BIO_new(BIO_s_secmem()));
    PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    PEM_write_bio_X509(out.get(), certificate.get());
    const std::string text = text_of(out.get());
    return {text.begin(), text.end()};
}

Owned<X509> first_certificate(const std::string& pem) {
    const Owned<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Owned<X509>(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
}

}  // namespace

Result<Certificate> server_certificate(Database& database, const Settings& settings) {
    Certificate made;
    if (!settings.tls.certificate.empty()) {
        const auto chain = MappedFile::open(settings.tls.certificate);
        if (!chain) return std::unexpected(chain.error());
        const auto key = MappedFile::open(settings.tls.key);
        if (!key) return std::unexpected(key.error());
        made.chain = as_text(chain->bytes());
        made.key = as_text(key->bytes());
    } else {
        const auto own =
            shared_secret(database, "tls", [&] { return make_own(host_name(settings)); });
        if (!own) return std::unexpected(own.error());
        const auto at = std::min(own->find("-----BEGIN CERTIFICATE"), own->size());
        made.key = own->substr(0, at);
        made.chain.assign(own->begin() + static_cast<std::ptrdiff_t>(at), own->end());
    }
    const Owned<X509> certificate = first_certificate(made.chain);
    const Owned<BIO> in(BIO_new_mem_buf(made.key.data(), static_cast<int>(made.key.size())));
    const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    const bool fit =
        certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
    ERR_clear_error();
    if (!fit)
        return fail("no certificate and its key, in PEM", settings.tls.certificate.string(),
                    "certificate has the chain, the server's own first; key its private key");
    return made;
}

Result<std::string> pin_of(const Certificate& certificate) {
    const Owned<X509> first = first_certificate(certificate.chain);
    if (!first) return fail("no certificate in PEM", "tls");
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(first.get()), &der);
    const Sha256 digest = sha256(Bytes(der, static_cast<std::size_t>(size)));
    OPENSSL_free(der);
    return to_base64url(digest);
}

Result<void> prepare_tls(SSL_CTX& context, const Certificate& certificate,
                         const Settings& settings) {
    const Owned<BIO> chain(
        BIO_new_mem_buf(certificate.chain.data(), static_cast<int>(certificate.chain.size())));
    const Owned<BIO> in(
        BIO_new_mem_buf(certificate.key.data(), static_cast<int>(certificate.key.size())));
    const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    const Owned<X509> first(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
    bool good = first && key && SSL_CTX_use_certificate(&context, first.get()) == 1 &&
                SSL_CTX_use_PrivateKey(&context, key.get()) == 1;
    while (good) {
        Owned<X509> next(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
        if (!next) break;
        good = SSL_CTX_add0_chain_cert(&context, next.get()) == 1;
        if (good) (void)next.release();
    }
    ERR_clear_error();
    if (!good) return fail("OpenSSL refuses the certificate or its key", "[tls]");
    SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    // 34 KiB of buffers less for each connection that waits.
    SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS);
    if (settings.tls.operators_ca.empty()) return {};
    const std::string ca = settings.tls.operators_ca.string();
    if (SSL_CTX_load_verify_file(&context, ca.c_str()) != 1)
        return fail("no CA's certificate in PEM", ca);
    SSL_CTX_set_client_CA_list(&context, SSL_load_client_CA_file(ca.c_str()));
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
    return {};
}

}  // namespace keyscribe::verifier
