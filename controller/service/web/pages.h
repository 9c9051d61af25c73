// SPDX-License-Identifier: Apache-2.0
// The pages, a file each. Error: the database's.
#pragma once

#include "controller/service/verifier/service.h"
#include "controller/service/web/frame.h"

namespace keyscribe::web {

using verifier::Request;
using verifier::Service;

/// `next`: the path to go to when it is done; `failed`: the last try was wrong.
Page login_page(const std::string& next, bool failed);

Result<Page> fleet_page(Service& service);
Result<Page> hosts_page(Service& service, const Request& request);
/// With what was judged last, the keys, and the history.
Result<Page> host_page(Service& service, const Request& request);
/// The report of a host's last evidence, judged now. Nothing: there is no such host, or nothing of
/// it.
Result<std::optional<std::string>> report_of(Service& service, const std::string& host);
/// A search, or the keys that are new.
Result<Page> keys_page(Service& service, const Request& request);
Result<Page> key_page(Service& service, const Request& request);
Result<Page> enrolments_page(Service& service, const Visitor& visitor);
Result<Page> references_page(Service& service, const Request& request);

/// A number from 0 on in the query; `otherwise` where there is none.
std::int64_t number_of(const Request& request, const std::string& name, std::int64_t otherwise);

}  // namespace keyscribe::web
