// SPDX-License-Identifier: Apache-2.0
// The event journal: who did it, as JSON lines. It proves nothing; the measurement list does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::measure {

/// DIRECTORY/BOOT-ID/events.jsonl, mode 0640; a file that would grow beyond `max_size` bytes
/// becomes events.jsonl.1 and so on, and at most `files` old ones are kept. Of former boots at most
/// as much is kept again (`files` times `max_size`), the oldest files going first.
class Journal {
  public:
    /// `boot_id` as in /proc/sys/kernel/random/boot_id.
    static Result<Journal> open(const std::filesystem::path& directory, std::string_view boot_id,
                                std::uint64_t max_size, unsigned files);

    /// One line, in one write(2). After an error the journal goes on: the next line is tried anew.
    Result<void> append(const nlohmann::json& line);

  private:
    Result<void> start_file();
    Result<void> rotate();

    std::filesystem::path file_;
    std::uint64_t max_size_ = 0;
    unsigned files_ = 0;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
};

/// A kernel string: as it is where it is UTF-8, else {"hex": "..."}.
nlohmann::json kernel_string(std::string_view bytes);

/// The event without its payload.
nlohmann::json to_json(const events::KeyEvent& event);

}  // namespace keyscribe::measure
