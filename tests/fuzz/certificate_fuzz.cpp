// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as certificates. What the view accepts and OpenSSL does too, they agree on.
#include <algorithm>
#include <cstdlib>

#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/appraise/references.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace certificate_fuzz {

using namespace keyscribe::appraise;

void compare(const keyrings::CertificateView& view) {
    const unsigned char* der = view.der.data();
    const Owned<X509> certificate(d2i_X509(nullptr, &der, static_cast<long>(view.der.size())));
    ERR_clear_error();
    if (!certificate || der != view.der.data() + view.der.size()) return;
    unsigned char* subject = nullptr;
    const int size = i2d_X509_NAME(X509_get_subject_name(certificate.get()), &subject);
    if (size < 0) return;
    // OpenSSL may encode a name anew; where the size is the same the bytes are.
    if (static_cast<std::size_t>(size) == view.subject.size() &&
        !std::ranges::equal(Bytes(subject, static_cast<std::size_t>(size)), view.subject))
        std::abort();
    OPENSSL_free(subject);
    const ASN1_BIT_STRING* key = X509_get0_pubkey_bitstr(certificate.get());
    if (key != nullptr &&
        !std::ranges::equal(Bytes(key->data, static_cast<std::size_t>(key->length)),
                            view.public_key))
        std::abort();
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    const Bytes input(data, size);
    if (const auto view = keyrings::view_certificate(input)) {
        compare(*view);
        (void)keyrings::display_name(*view);
    }
    for (const std::string_view algorithm : {"rsa", "ecdsa-nist-p256", "ecdsa-nist-p384", "none"})
        (void)keyrings::read_public_key(keyrings::public_key_info(algorithm, input));
    ERR_clear_error();
    ReferenceValues values;
    if (values.add(input, "f"))
        for (const Reference& reference : values.all())
            if (values.by_certificate(reference.digest) == nullptr) std::abort();
}

const testing::Fuzzer kFuzzer("certificate_fuzz", fuzz);

}  // namespace certificate_fuzz
}  // namespace keyscribe
