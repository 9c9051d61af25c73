// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/last_policy.h"

#include "controller/host/measure/list_writer.h"
#include "controller/host/records/records.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"

namespace keyscribe::measure {

std::shared_ptr<const settings::LoadedPolicy> last_policy(const std::filesystem::path& directory) {
    auto files = ListFiles::open(directory);
    if (!files) return nullptr;
    const auto list = files->read();
    if (!list) return nullptr;
    std::shared_ptr<const settings::LoadedPolicy> last;
    list::ListReader reader(*list);
    std::optional<Bytes> record;
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        const auto fields = list::decode_fields((*entry)->template_name, (*entry)->template_data);
        if (fields && fields->name == std::string(records::kRecordPrefix) + "policy")
            record = fields->third;
    }
    if (!record) return nullptr;
    auto texts = records::policy_files(*record);
    if (!texts) return nullptr;
    auto loaded = settings::policy_of(std::move(*texts));
    return loaded ? std::make_shared<const settings::LoadedPolicy>(std::move(*loaded)) : nullptr;
}

}  // namespace keyscribe::measure
