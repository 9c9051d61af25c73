// SPDX-License-Identifier: Apache-2.0
// What a host knows of its enrolment from one visit to the next. There is no secret in it: what
// shows that the host is itself is in its TPM.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "controller/base/error.h"
#include "controller/host/fleet/verifier.h"

namespace keyscribe::fleet {

struct Enrolment {
    Verifier verifier;
    std::string id;    ///< of the enrolment
    std::string host;  ///< the verifier's name for this host
    std::string name;
    std::uint32_t ak_handle = 0;
};

inline constexpr const char* kEnrolmentFile = "enrolment.json";

/// Written whole or not at all, for everybody to read; the folder is made where there is none.
Result<void> keep_enrolment(const std::filesystem::path& folder, const Enrolment& enrolment);

/// Nothing: the host is not enrolled. Error: the file is not as keep_enrolment() writes it, or
/// belongs to somebody who is neither root nor who asks.
Result<std::optional<Enrolment>> read_enrolment(const std::filesystem::path& folder);

}  // namespace keyscribe::fleet
