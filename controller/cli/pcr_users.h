// SPDX-License-Identifier: Apache-2.0
// Who else extends a PCR, or relies on its value, by the logs that they leave. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/base/digest.h"

namespace keyscribe::cli {

struct PcrUse {
    std::string text;
    std::string remedy;  ///< empty: nothing has to be done
};

/// `log`: binary_bios_measurements. Nothing: no event of this PCR, or a log that cannot be read.
std::optional<PcrUse> use_by_firmware(unsigned pcr, Bytes log);

/// `log`: systemd's /run/log/systemd/tpm2-measure.log (RFC 7464: 0x1e before each JSON text).
std::optional<PcrUse> use_by_systemd(unsigned pcr, std::string_view log);

/// `policy`: /var/lib/systemd/pcrlock.json, by which systemd-pcrlock unlocks disks.
std::optional<PcrUse> use_by_pcrlock(unsigned pcr, std::string_view policy);

/// `list`: the kernel's binary_runtime_measurements.
std::optional<PcrUse> use_by_ima(unsigned pcr, Bytes list);

}  // namespace keyscribe::cli
