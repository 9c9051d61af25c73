// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/ek_trust.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <filesystem>

#include "controller/base/mapped_file.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/endorsement.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::verifier {
namespace {

using appraise::Owned;

struct FreeStack {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};

Owned<X509> read_x509(Bytes der) {
    const unsigned char* at = der.data();
    Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    ERR_clear_error();
    if (at != der.data() + der.size()) return nullptr;
    return certificate;
}

/// EK certificates mark subjectAltName as critical with names that OpenSSL does not know (TCG EK
/// Credential Profile, 3.2.9), which is no reason to refuse one.
int accept_unknown_names(int good, X509_STORE_CTX* context) {
    if (good == 0 && X509_STORE_CTX_get_error(context) == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION &&
        X509_STORE_CTX_get_error_depth(context) == 0)
        return 1;
    return good;
}

}  // namespace

struct EkTrust::Store {
    X509_STORE* store = X509_STORE_new();
    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store() { X509_STORE_free(store); }
};

Result<EkTrust> EkTrust::load(const Settings& settings) {
    EkTrust trust;
    const auto store = std::make_shared<Store>();
    std::error_code code;
    if (!settings.enrol.ca.empty()) {
        for (std::filesystem::directory_iterator it(settings.enrol.ca, code), end; it != end;
             it.increment(code)) {
            const auto file = MappedFile::open(it->path());
            if (!file) return std::unexpected(file.error());
            const auto certificates =
                appraise::read_certificates(file->bytes(), it->path().string());
            if (!certificates) return std::unexpected(certificates.error());
            for (const appraise::FileItem& item : *certificates) {
                const auto certificate = read_x509(item.der);
                if (!certificate) return fail("a certificate that OpenSSL cannot read", item.where);
                X509_STORE_add_cert(store->store, certificate.get());
            }
        }
        if (code) return fail_errno("cannot be read", settings.enrol.ca, {}, code.value());
    }
    trust.store_ = store;
    if (settings.enrol.eks.empty()) return trust;
    const auto file = MappedFile::open(settings.enrol.eks);
    if (!file) return std::unexpected(file.error());
    std::string_view text = as_text(file->bytes());
    for (unsigned line = 1; !text.empty(); ++line) {
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view one = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (one.empty() || one[0] == '#') continue;
        const std::string_view digest = one.substr(0, one.find(' '));  // what follows is a remark
        const auto bytes = from_hex(digest);
        if (!bytes || bytes->size() != 32)
            return fail("not the SHA-256 of an endorsement key, in hex",
                        settings.enrol.eks.string() + ':' + std::to_string(line));
        trust.listed_.insert(to_hex(*bytes));
    }
    return trust;
}

Result<std::optional<std::string>> EkTrust::judge(
    Bytes spki, Bytes certificate, const std::vector<std::vector<std::uint8_t>>& chain) const {
    if (!certificate.empty()) {
        const auto view = keyrings::view_certificate(certificate);
        if (!view) return fail("not an X.509 certificate from end to end", "ek.certificate");
        if (!std::ranges::equal(view->spki, spki))
            return fail("a certificate of another key than ek.public", "ek.certificate");
    }
    if (listed_.contains(to_hex(sha256(spki)))) return "list";
    if (certificate.empty()) return std::nullopt;
    const auto leaf = read_x509(certificate);
    if (!leaf) return fail("a certificate that OpenSSL cannot read", "ek.certificate");
    // Whoever issues certificates of endorsement keys issues others, too.
    if (appraise::endorsement_problem(certificate)) return std::nullopt;
    const std::unique_ptr<STACK_OF(X509), FreeStack> between(sk_X509_new_null());
    for (const auto& one : chain)
        if (auto read = read_x509(one)) sk_X509_push(between.get(), read.release());
    const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(
        X509_STORE_CTX_new(), X509_STORE_CTX_free);
    X509_STORE_CTX_init(context.get(), store_->store, leaf.get(), between.get());
    X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_ANY);
    X509_STORE_CTX_set_verify_cb(context.get(), accept_unknown_names);
    // A folder may have an intermediate CA alone: it is trusted as it is.
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_PARTIAL_CHAIN);
    const bool good = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    if (!good) return std::nullopt;
    const STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(context.get());
    X509* top = sk_X509_value(verified, sk_X509_num(verified) - 1);
    char subject[200] = {};
    X509_NAME_oneline(X509_get_subject_name(top), subject, sizeof subject - 1);
    return "chain: " + std::string(subject);
}

}  // namespace keyscribe::verifier
