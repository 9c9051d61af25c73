// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/take_over_spool.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "controller/host/measure/last_policy.h"
#include "controller/host/measure/list_mender.h"

namespace keyscribe::measure {

std::optional<std::uint64_t> take_over_spool(spool::Spool& spool,
                                             const std::filesystem::path& directory) {
    auto file = spool::SpoolFile::open(directory / "spool");
    if (!file) {
        spdlog::error("{}", to_string(file.error()));
        return std::nullopt;
    }
    const auto& state = file->state();
    auto list = mend_list(directory, state.list_before, state.list_after);
    if (!list) {
        spdlog::error("{}", to_string(list.error()));
        return std::nullopt;
    }
    spool.keep_in(std::move(*file), list->size, last_policy(directory));
    for (std::string& what : list->findings) spool.push(spool::Tampered{std::move(what)});
    return list->size;
}

}  // namespace keyscribe::measure
