// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/signers.h"

#include <openssl/x509.h>

#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/quiet_errors.h"

namespace keyscribe::keyrings {

void Signers::add_certificate(std::size_t id, Bytes der) {
    const auto view = view_certificate(der);
    if (!view) return;
    if (PublicKey key = read_public_key(view->spki))
        named_.emplace(Name(view->subject.begin(), view->subject.end()),
                       Candidate{id, std::move(key)});
}

void Signers::add_key(std::size_t id, std::string_view algorithm, Bytes key) {
    if (PublicKey usable = read_public_key(public_key_info(algorithm, key)))
        nameless_.push_back({id, std::move(usable)});
}

std::vector<std::size_t> Signers::of(Bytes der) {
    const QuietErrors quiet;
    std::vector<std::size_t> signers;
    const auto view = view_certificate(der);
    const unsigned char* at = der.data();
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        view ? d2i_X509(nullptr, &at, static_cast<long>(der.size())) : nullptr, X509_free);
    const auto attempt = [&](const Candidate& candidate) {
        if (left_ == 0) {
            unfinished_ = true;
            return;
        }
        --left_;
        if (X509_verify(certificate.get(), candidate.key.get()) == 1)
            signers.push_back(candidate.id);
    };
    if (certificate) {
        const auto [first, last] =
            named_.equal_range(Name(view->issuer.begin(), view->issuer.end()));
        for (auto it = first; it != last; ++it) attempt(it->second);
        if (signers.empty())
            for (const Candidate& candidate : nameless_) attempt(candidate);
    }
    return signers;
}

}  // namespace keyscribe::keyrings
