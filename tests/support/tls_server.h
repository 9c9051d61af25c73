// SPDX-License-Identifier: Apache-2.0
// An HTTPS server in the test's own process, of one thread: what a verifier, or somebody in its
// place, answers to a host.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tests/support/certificates.h"

namespace keyscribe::testing {

struct HttpsRequest {
    std::string method, target, host, content_type, body;
};

struct HttpsReply {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::map<std::string, std::string> headers = {};
    bool close = false;   ///< the connection, without a word of it in the answer
    std::size_t cut = 0;  ///< so many bytes of the body, and then nothing more
    bool silent = false;  ///< no answer at all
};

class TlsServer {
  public:
    using Handler = std::function<HttpsReply(const HttpsRequest&)>;

    /// At 127.0.0.1, with a certificate for `name` that it signed itself.
    explicit TlsServer(Handler handler, const std::string& name = "localhost",
                       const CertificateOptions& options = {});
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    std::uint16_t port() const;
    std::string url(const std::string& host = "127.0.0.1") const;
    const Buffer& certificate() const;  ///< DER
    std::string certificate_pem() const;
    /// By openssl(1): SHA-256 of the SubjectPublicKeyInfo, base64url.
    std::string pin() const;
    unsigned connections() const;  ///< those on which TLS came about
    unsigned requests() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace keyscribe::testing
