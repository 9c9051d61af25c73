// SPDX-License-Identifier: Apache-2.0
// Two certificates, in the forms in which an operator hands them in.
#pragma once

#include <openssl/x509.h>

#include <string>

#include "controller/base/base64.h"
#include "controller/base/digest.h"
#include "controller/keyrings/certificate_view.h"
#include "tests/support/certificates.h"

namespace keyscribe::testing {

inline std::string text_of(const Buffer& bytes) { return {bytes.begin(), bytes.end()}; }

inline std::string pem_of(const Buffer& der, const std::string& label = "CERTIFICATE") {
    const std::string base64 = to_base64(der);
    std::string text = "-----BEGIN " + label + "-----\n";
    for (std::size_t i = 0; i < base64.size(); i += 64) text += base64.substr(i, 64) + '\n';
    return text + "-----END " + label + "-----\n";
}

/// `text` with `to` for each `from`.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

struct TwoCertificates {
    std::shared_ptr<EVP_PKEY> key_a = ec_key("P-256"), key_b = ec_key("P-256");
    Buffer a = certificate(key_a.get(), "A", key_a.get(), "A");
    Buffer b = certificate(key_b.get(), "B", key_b.get(), "B");

    static const TwoCertificates& shared() {
        static const TwoCertificates made;
        return made;
    }
};

}  // namespace keyscribe::testing
