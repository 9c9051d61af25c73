// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/routes.h"

#include <utility>

namespace keyscribe::control {

std::vector<Route> routes(std::function<status::Status()> status,
                          std::function<Result<status::Reloaded>()> reload) {
    return {
        {"GET", "/v1/status", Right::kRead,
         [status] { return json_reply(200, to_json(status())); }},
        {"GET", "/v1/metrics", Right::kRead,
         [status] {
             return Reply{200, status::to_prometheus(status()), "text/plain; version=0.0.4"};
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
