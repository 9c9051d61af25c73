// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/journal_writer.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace keyscribe::measure {

void JournalWriter::write(std::vector<nlohmann::json>& lines,
                          std::optional<std::uint64_t> entries) {
    if (lines.empty()) return;
    Result<void> done;
    if (!journal_) {
        auto journal = Journal::open(config_.journal.directory, boot_id_, config_.journal.max_size,
                                     config_.journal.files);
        if (journal)
            journal_ = std::move(*journal);
        else
            done = std::unexpected(journal.error());
    }
    std::uint64_t failed = 0;
    for (nlohmann::json& line : lines) {
        line["entry"] = entries ? nlohmann::json(*entries) : nullptr;
        if (journal_ && done) done = journal_->append(line);
        if (!done) ++failed;
    }
    if (failed != 0)
        status_.update(
            [failed](status::Status& status) { status.counters.journal_failed += failed; });
    if (std::exchange(failed_, !done) == !done) return;
    const std::string why = done ? "" : to_string(done.error());
    if (!done) spdlog::error("{}", why);
    status_.update([&](status::Status& status) { status.journal_error = why; });
}

}  // namespace keyscribe::measure
