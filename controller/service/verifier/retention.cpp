// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/retention.h"

#include <soci/soci.h>

#include "controller/service/verifier/host_ids.h"

namespace keyscribe::verifier {
namespace {

constexpr std::size_t kRowsAtOnce = 500;

/// False: it was heard of meanwhile.
Result<bool> drop_list(Database& database, const std::string& id, long long time) {
    bool dropped = false;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        soci::statement update =
            (session.prepare << "update hosts set revision = revision + 1, entries = 0, list_bytes "
                                "= 0, ima_entries = 0, ima_bytes = 0, fingerprint = '' where "
                                "tenant = :tenant and id = :id and silent = 1 and last_seen < "
                                ":time",
             soci::use(kTenant), soci::use(id), soci::use(time));
        update.execute(true);
        dropped = update.get_affected_rows() == 1;
        if (!dropped) return {};
        for (const char* table : {"snapshots", "list_chunks"})
            session << "delete from " << table << " where tenant = :tenant and host = :host",
                soci::use(kTenant), soci::use(id);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return dropped;
}

}  // namespace

Result<int> drop_old_lists(Service& service) {
    int dropped = 0;
    if (service.settings.attest.keep_lists == 0) return dropped;
    const long long time = now() - INT64_C(86400) * service.settings.attest.keep_lists;
    for (;;) {
        const auto ids =
            host_ids(*service.database,
                     "silent = 1 and list_bytes > 0 and last_seen < :time limit 500", time);
        if (!ids) return std::unexpected(ids.error());
        for (const std::string& id : *ids) {
            const auto done = drop_list(*service.database, id, time);
            if (!done) return std::unexpected(done.error());
            if (*done) ++dropped;
        }
        if (ids->size() < kRowsAtOnce) return dropped;
    }
}

}  // namespace keyscribe::verifier
