// SPDX-License-Identifier: Apache-2.0
#include "controller/host/settings/config.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "controller/base/settings_file.h"

namespace keyscribe::settings {
namespace {

using base::choice_into, base::flag_into, base::number_into, base::path_into, base::Setting,
    base::size_into, base::text_into, base::time_into;

std::vector<Setting> settings_of(Config& config) {
    constexpr std::uint64_t kKiB = 1 << 10, kMiB = 1 << 20;
    return {
        {"tpm", "tcti", text_into(config.tpm.tcti)},
        {"tpm", "pcr", number_into(config.tpm.pcr, 0, 23)},
        {"tpm", "force_resettable_pcr", flag_into(config.tpm.force_resettable_pcr)},
        {"attest", "ak_handle", number_into(config.attest.ak_handle, 0x81000000, 0x817fffff)},
        {"attest", "ek", choice_into(config.attest.ek, {"rsa", "ecc"})},
        {"capture", "ring_size", size_into(config.capture.ring_size, 64 * kKiB, 256 * kMiB, true)},
        {"capture", "hook", choice_into(config.capture.hook, {"auto", "lsm", "fentry", "ima"})},
        {"capture", "detach_on_stop", flag_into(config.capture.detach_on_stop)},
        {"spool", "max_size", size_into(config.spool.max_size, 64 * kKiB, 4096 * kMiB)},
        {"spool", "deadline", time_into(config.spool.deadline)},
        {"policy", "directory", path_into(config.policy.directory)},
        {"list", "directory", path_into(config.list.directory)},
        {"list", "former", path_into(config.list.former)},
        {"list", "text", flag_into(config.list.text)},
        {"list", "max_share", number_into(config.list.max_share, 1, 95)},
        {"list", "user_budget", size_into(config.list.user_budget, 0, 4096 * kMiB)},
        {"journal", "enabled", flag_into(config.journal.enabled)},
        {"journal", "directory", path_into(config.journal.directory)},
        {"journal", "max_size", size_into(config.journal.max_size, 64 * kKiB, 4096 * kMiB)},
        {"journal", "files", number_into(config.journal.files, 1, 1000)},
        {"control", "socket", path_into(config.control.socket)},
        {"control", "group", text_into(config.control.group)},
        {"verifier", "directory", path_into(config.verifier.directory)},
        {"log", "level", choice_into(config.log.level, {"debug", "info", "warning", "error"})},
    };
}

}  // namespace

std::uint32_t ring_size_for(std::uint64_t memory) {
    constexpr std::uint64_t kSmallest = 8u << 20, kLargest = 64u << 20, kShare = 256;
    return static_cast<std::uint32_t>(
        std::bit_ceil(std::clamp(memory / kShare, kSmallest, kLargest)));
}

std::uint32_t default_ring_size() {
    const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
    return ring_size_for(pages > 0 && page > 0 ? std::uint64_t(pages) * std::uint64_t(page) : 0);
}

Result<Config> parse_config(std::string_view text, const std::string& file) {
    Config config;
    if (auto done = base::read_settings(text, file, settings_of(config)); !done)
        return std::unexpected(done.error());
    return config;
}

Result<Config> load_config(const std::filesystem::path& file) {
    Config config;
    if (auto done = base::read_settings_file(file, settings_of(config)); !done)
        return std::unexpected(done.error());
    return config;
}

}  // namespace keyscribe::settings
