// SPDX-License-Identifier: Apache-2.0
// Which hosts a question concerns.
#pragma once

#include <soci/soci.h>

#include <string>
#include <vector>

#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

/// The ids of the hosts for which `condition` is true, a text of this program's own in SQL with a
/// :name for each of `values`, in that order.
template <class... Values>
Result<std::vector<std::string>> host_ids(Database& database, const char* condition,
                                          const Values&... values) {
    std::vector<std::string> ids;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string id;
        soci::statement select =
            (((session.prepare << "select id from hosts where tenant = :tenant and " << condition,
               soci::use(kTenant)),
              ..., soci::use(values)),
             soci::into(id));
        for (select.execute(); select.fetch();) ids.push_back(id);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return ids;
}

}  // namespace keyscribe::verifier
