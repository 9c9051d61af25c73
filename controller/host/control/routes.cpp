// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/routes.h"

namespace keyscribe::control {
namespace {

status::Status current(const status::SharedStatus& shared, const daemon::Pump& pump) {
    // First the kernel's numbers: who compares them with what was received must not find more
    // received than given out for want of freshness.
    const capture::KernelCounters counters = pump.counters();
    status::Status status = shared.copy();
    status.kernel_counters = counters;
    return status;
}

}  // namespace

std::vector<Route> routes(const status::SharedStatus& status, daemon::Pump& pump) {
    return {
        {"GET", "/v1/status", Right::kRead,
         [&] { return json_reply(200, to_json(current(status, pump))); }},
        {"GET", "/v1/metrics", Right::kRead,
         [&] {
             return Reply{200, status::to_prometheus(current(status, pump)),
                          "text/plain; version=0.0.4"};
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
