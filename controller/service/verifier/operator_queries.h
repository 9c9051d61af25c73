// SPDX-License-Identifier: Apache-2.0
// What operators ask, over HTTP and by the commands alike.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

nlohmann::json to_json(const HostRow& host);

struct HostFilter {
    std::string verdict;      ///< "affirmed", "contraindicated", "none", "silent"; empty: all
    std::string group, name;  ///< of the name a part
    std::string after;        ///< an id: what comes behind it, for the next page
    int limit = 1000;
    bool heard = false;  ///< without the silent ones, as count_hosts() counts a verdict
};
/// {"hosts": [...], "next": id} in the order of ids; "next" where there are more.
Result<nlohmann::json> list_hosts(Database& database, const HostFilter& filter);
/// The host by its id or its name, with its last appraisal and the keys it trusts. Null: there is
/// none.
Result<nlohmann::json> show_host(Database& database, const std::string& id_or_name);
/// How many hosts are there by verdict, and silent: {"affirmed": N, ...}.
Result<nlohmann::json> count_hosts(Database& database);

enum class ChangeOrder { kOldestFirst, kNewestFirst };

/// At most `limit` changes, those behind number `from` in that order; of one host, or, where it is
/// empty, of all: [{number, host, name, time, kind, former, latter, detail}].
Result<nlohmann::json> read_changes(Database& database, const std::string& host, ChangeOrder order,
                                    std::int64_t from, int limit);

/// Those with numbers above `since`, oldest first; of one host where it is named.
Result<nlohmann::json> list_changes(Database& database, std::int64_t since, int limit,
                                    const std::string& host = {});

/// Which hosts would have another verdict with `files` added and those of the ids in `without`
/// removed, as at the time `at`: [{host, name, former, latter, reasons}].
Result<nlohmann::json> try_references(Service& service, const std::vector<ReferenceFile>& files,
                                      const std::vector<std::string>& without, std::int64_t at);

inline const std::string kNothingKept = "nothing kept";

/// A file for an auditor: evidence, nonce, key, references and policy in force, verdict. One JSON
/// object; README.md says how to judge it again. Null: there is no such host. Error: `where` is
/// kNothingKept: nothing was sent, or its list was thrown away.
Result<nlohmann::json> export_host(Service& service, const std::string& id);

}  // namespace keyscribe::verifier
