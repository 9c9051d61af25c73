// SPDX-License-Identifier: Apache-2.0
// The verifier's own TLS certificate, where the operator gives none, and the pin by which hosts
// know it.
#pragma once

#include <openssl/types.h>

#include <string>

#include "controller/service/verifier/secrets.h"
#include "controller/service/verifier/settings.h"

namespace keyscribe::verifier {

struct Certificate {
    SecretText key;     ///< PEM
    std::string chain;  ///< PEM
};

/// That of the settings; or one of its own (P-256, ten years, for this machine's names), which all
/// processes of this database share. Error: a file that cannot be read, or a key and a certificate
/// that do not belong together.
Result<Certificate> server_certificate(Database& database, const Settings& settings);

/// The SHA-256 of its SubjectPublicKeyInfo, Base64url: the second half of an enrolment token.
Result<std::string> pin_of(const Certificate& certificate);

/// Makes `context` a server's with this certificate: TLS 1.2 and 1.3, and operators' certificates
/// where the settings name their CA. Error: OpenSSL refuses one of them.
Result<void> prepare_tls(SSL_CTX& context, const Certificate& certificate,
                         const Settings& settings);

}  // namespace keyscribe::verifier
