// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/routes.h"

#include <utility>

namespace keyscribe::control {
namespace {

using nlohmann::json;

/// As a TPM takes it: TPM2_Quote's qualifyingData has at most 64 bytes.
constexpr std::size_t kMaxNonce = 64;

Result<std::vector<std::uint8_t>> nonce_of(const std::string& body) {
    const json parsed = json::parse(body, nullptr, false);
    if (parsed.is_object() && parsed.size() == 1 && parsed.contains("nonce") &&
        parsed["nonce"].is_string())
        if (auto bytes = from_hex(parsed["nonce"].get_ref<const std::string&>());
            bytes && !bytes->empty() && bytes->size() <= kMaxNonce)
            return std::move(*bytes);
    return fail("expected {\"nonce\": 1 to 64 bytes in hexadecimal digits}", "/v1/canary");
}

}  // namespace

std::vector<Route> routes(std::function<status::Status()> status,
                          std::function<Result<status::Reloaded>()> reload,
                          std::function<Result<void>(std::vector<std::uint8_t>)> prove_alive) {
    return {
        {"GET", "/v1/status", Right::kRead,
         [status] { return json_reply(200, to_json(status())); }},
        {"GET", "/v1/metrics", Right::kRead,
         [status] {
             return Reply{200, status::to_prometheus(status()), "text/plain; version=0.0.4"};
         }},
        {"POST", "/v1/canary", Right::kChange,
         [prove_alive = std::move(prove_alive)](const Request& request) {
             auto nonce = nonce_of(request.body);
             if (!nonce) return error_reply(400, nonce.error());
             const auto done = prove_alive(std::move(*nonce));
             return done ? json_reply(200, json::object()) : error_reply(422, done.error());
         }},
        {"POST", "/v1/reload", Right::kChange,
         [reload = std::move(reload)] {
             const auto done = reload();
             if (!done) return error_reply(422, done.error());
             return json_reply(200, {{"generation", done->generation},
                                     {"digest", done->digest},
                                     {"rules", done->rules},
                                     {"skipped", done->skipped},
                                     {"warnings", done->warnings}});
         }},
    };
}

}  // namespace keyscribe::control
