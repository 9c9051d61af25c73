// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/last_policy.h"

#include "controller/host/measure/list_writer.h"
#include "controller/host/records/records.h"
#include "controller/list/list_reader.h"
#include "controller/list/policy_parts.h"
#include "controller/list/record.h"
#include "controller/list/unfold.h"

namespace keyscribe::measure {

std::shared_ptr<const settings::LoadedPolicy> last_policy(const std::filesystem::path& directory) {
    auto files = ListFiles::open(directory);
    if (!files) return nullptr;
    const auto list = files->read();
    if (!list) return nullptr;
    list::ListReader reader(*list);
    list::PolicyParts parts;
    std::vector<records::PolicyFile> last;
    bool found = false;
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        auto records = list::Unfolded::of(**entry, 0);
        if (!records) continue;
        while (const auto one = records->next()) {
            const auto kind = list::record_kind(one->name);
            if (kind != "policy" && kind != "policy-part" && kind != "restart" && kind != "kexec")
                continue;
            auto record = list::parse_record(one->name, one->buf);
            if (record) parts.complete(*record);
            if (kind != "policy") continue;
            found = record.has_value();
            if (found) last = records::copied(std::get<list::Policy>(*record).files);
        }
    }
    if (!found) return nullptr;
    auto loaded = settings::policy_of(last);
    return loaded ? std::make_shared<const settings::LoadedPolicy>(std::move(*loaded)) : nullptr;
}

}  // namespace keyscribe::measure
