// SPDX-License-Identifier: Apache-2.0
#include "controller/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace keyscribe::base {
namespace {

bool to_journal = false;
std::string identifier;  // SYSLOG_IDENTIFIER

/// Whether stderr is the journal's socket, as systemd.exec(5) describes $JOURNAL_STREAM.
bool stderr_is_the_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status{};
    unsigned long long device = 0, inode = 0;
    return stream != nullptr && std::sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           ::fstat(2, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

}  // namespace

void init_log(const std::string& level, const std::string& program) {
    identifier = program;
    to_journal = stderr_is_the_journal();
    auto logger = to_journal ? spdlog::systemd_logger_mt("keyscribe", program)
                             : spdlog::stderr_color_mt("keyscribe");
    if (!to_journal) logger->set_pattern("%^%l%$: %v");
    logger->set_level(spdlog::level::from_str(level == "warning" ? "warn" : level));
    spdlog::set_default_logger(std::move(logger));
}

void log_event(LogLevel level, const std::string& message,
               const std::map<std::string, std::string>& fields) {
    constexpr std::array kSpdlog = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                    spdlog::level::err};
    const auto as_spdlog = kSpdlog[static_cast<std::size_t>(level)];
    if (!to_journal) {
        spdlog::log(as_spdlog, "{}", message);
        return;
    }
    if (!spdlog::default_logger()->should_log(as_spdlog)) return;
    constexpr std::array kSyslog = {"7", "6", "4", "3"};  // syslog(3)
    std::vector<std::string> lines = {
        "MESSAGE=" + message, std::string("PRIORITY=") + kSyslog[static_cast<std::size_t>(level)],
        "SYSLOG_IDENTIFIER=" + identifier};
    for (const auto& [name, value] : fields) lines.push_back(name + '=' + value);
    std::vector<iovec> vectors;
    for (std::string& line : lines) vectors.push_back({line.data(), line.size()});
    sd_journal_sendv(vectors.data(), static_cast<int>(vectors.size()));
}

}  // namespace keyscribe::base
