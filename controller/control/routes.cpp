// SPDX-License-Identifier: Apache-2.0
#include "controller/control/routes.h"

namespace keyscribe::control {

std::vector<Route> routes(const SharedStatus& status, Pump& pump) {
    return {
        {"GET", "/v1/status", Right::kRead,
         [&status] { return json_reply(200, to_json(status.copy())); }},
        {"GET", "/v1/metrics", Right::kRead,
         [&status] {
             return Reply{200, to_prometheus(status.copy()), "text/plain; version=0.0.4"};
         }},
        {"POST", "/v1/reload", Right::kChange,
         [&pump] {
             const auto done = pump.request_reload();
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
