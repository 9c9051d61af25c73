// SPDX-License-Identifier: Apache-2.0
// A client for the tests' own servers: one request after the other on a connection that is kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>  // that asio of Boost 1.74 uses without including it

namespace keyscribe::testing {

struct HttpAnswer {
    unsigned status = 0;
    std::map<std::string, std::string> fields;  ///< names in lower case
    std::string body;
};

class HttpsClient {
  public:
    /// Throws what Boost throws where nobody answers. The certificate is looked at by nobody.
    explicit HttpsClient(unsigned port);
    /// With a certificate of its own: PEM files.
    HttpsClient(unsigned port, const std::string& certificate, const std::string& key);
    ~HttpsClient();

    HttpAnswer send(const std::string& method, const std::string& target,
                    const std::string& body = {}, const std::string& type = {},
                    const std::string& token = {});
    /// Bytes as they are.
    void write(const std::string& bytes);
    /// The same; then what comes back until the server ends the connection.
    std::string raw(const std::string& bytes);
    /// What comes, up to that text and with what came along. Throws where the server ends first.
    std::string read_until(const std::string& text);
    /// SHA-256 of the SubjectPublicKeyInfo of the server's certificate, hex.
    std::string pin() const;

  private:
    void connect(unsigned port);
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyscribe::testing
