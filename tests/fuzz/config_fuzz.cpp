// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as the daemon's settings: refused with their place, or within what is documented.
#include <bit>

#include "controller/host/settings/config.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace config_fuzz {

void fuzz(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto config = settings::parse_config(text, "fuzz.toml");
    if (!config) {
        if (config.error().what.empty() || !config.error().where.starts_with("fuzz.toml:"))
            __builtin_trap();
        return;
    }
    // What is accepted lies within what is documented.
    const auto ring = config->capture.ring_size;
    if (!std::has_single_bit(ring) || ring < (64u << 10) || ring > (256u << 20) ||
        config->tpm.pcr > 23 || config->spool.max_size > (4096ull << 20) ||
        config->spool.deadline.count() < 0 || config->journal.files < 1 ||
        !config->control.socket.is_absolute() || config->log.level.empty())
        __builtin_trap();
}

const testing::Fuzzer kFuzzer("config_fuzz", fuzz);

}  // namespace config_fuzz
}  // namespace keyscribe
