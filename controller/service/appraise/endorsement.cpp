// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/endorsement.h"

#include <openssl/x509v3.h>
#include <tss2/tss2_mu.h>

#include <array>
#include <memory>
#include <utility>

#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/appraise/quote.h"
#include "controller/service/appraise/tpm_attributes.h"

namespace keyscribe::appraise {
namespace {

constexpr const char* kEkCertificate = "2.23.133.8.1";  // tcg-kp-EKCertificate

struct FreeUses {
    void operator()(EXTENDED_KEY_USAGE* uses) const { EXTENDED_KEY_USAGE_free(uses); }
};

Result<PublicNumbers> numbers_of_pub(Bytes tpm2b) {
    TPM2B_PUBLIC area{};
    std::size_t offset = 0;
    if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(tpm2b.data(), tpm2b.size(), &offset, &area) != 0 ||
        offset != tpm2b.size())
        return fail("not a TPM2B_PUBLIC from end to end", "ek.pub");
    auto found = parse_public(tpm2b.subspan(2));
    if (!found) return fail(found.error().what, "ek.pub", found.error().hint);
    // B.3: one with `sign` would sign a credential's answer.
    const std::string wrong =
        wrong_attributes(area.publicArea.objectAttributes, TPMA_OBJECT_SIGN_ENCRYPT);
    if (!wrong.empty())
        return fail("not an endorsement key: it is " + wrong, "ek.pub",
                    "whoever has it need not be a TPM: make no credential for it");
    return std::move(found->numbers);
}

Result<PublicNumbers> numbers_of_pem(std::string_view pem) {
    const auto key = AttestationKey::from_pem(pem);
    if (!key) return fail(key.error().what, "ek.pem", key.error().hint);
    return key->numbers();
}

Result<PublicNumbers> numbers_of_certificate(Bytes der) {
    const auto view = keyrings::view_certificate(der);
    if (!view) return fail("not an X.509 certificate from end to end", "ek.crt");
    if (const auto problem = endorsement_problem(der)) return fail(*problem, "ek.crt");
    auto key = AttestationKey::parse(as_text(view->spki), "ek.crt");
    // Some vendors' say id-RSAES-OAEP, which OpenSSL does not read; the numbers are the same.
    if (!key)
        if (const auto info = keyrings::public_key_info("rsa", view->public_key); !info.empty())
            key = AttestationKey::parse(as_text(info), "ek.crt");
    if (!key) return fail(key.error().what, "ek.crt", key.error().hint);
    return key->numbers();
}

}  // namespace

std::optional<std::string> endorsement_problem(Bytes certificate) {
    const unsigned char* at = certificate.data();
    const Owned<X509> read(d2i_X509(nullptr, &at, static_cast<long>(certificate.size())));
    ERR_clear_error();
    if (!read) return "a certificate that OpenSSL cannot read";
    const std::uint32_t flags = X509_get_extension_flags(read.get());
    if ((flags & EXFLAG_CA) != 0) return "a CA's certificate, not an endorsement key's";
    int critical = 0;
    const std::unique_ptr<EXTENDED_KEY_USAGE, FreeUses> uses(static_cast<EXTENDED_KEY_USAGE*>(
        X509_get_ext_d2i(read.get(), NID_ext_key_usage, &critical, nullptr)));
    ERR_clear_error();
    if (!uses && critical == -1) return std::nullopt;
    for (int i = 0; i < sk_ASN1_OBJECT_num(uses.get()); ++i) {
        std::array<char, 64> use{};
        OBJ_obj2txt(use.data(), use.size(), sk_ASN1_OBJECT_value(uses.get(), i), 1);
        if (std::string_view(use.data()) == kEkCertificate) return std::nullopt;
    }
    return "a certificate for other uses than an endorsement key's (2.23.133.8.1)";
}

Result<void> check_endorsement(Bytes ek_pub, std::string_view pem, Bytes certificate) {
    std::optional<PublicNumbers> first;
    const auto compare = [&first](Result<PublicNumbers> numbers, const char* file) -> Result<void> {
        if (!numbers) return std::unexpected(numbers.error());
        if (first && *first != *numbers)
            return fail("another endorsement key than the others'", file,
                        "whoever sent it can read what is meant for another TPM: do not enrol it");
        first = std::move(*numbers);
        return {};
    };
    Result<void> done;
    if (!ek_pub.empty()) done = compare(numbers_of_pub(ek_pub), "ek.pub");
    if (done && !pem.empty()) done = compare(numbers_of_pem(pem), "ek.pem");
    if (done && !certificate.empty()) done = compare(numbers_of_certificate(certificate), "ek.crt");
    return done;
}

}  // namespace keyscribe::appraise
