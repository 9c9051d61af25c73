// SPDX-License-Identifier: Apache-2.0
// A file that is open already, as it stands.
#pragma once

#include <string>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"
#include "controller/base/wiped_bytes.h"

namespace keyscribe::base {

/// The file's content from its beginning, wherever the descriptor is; one that is cut meanwhile is
/// as short as that. `name`: for messages.
Result<WipedBytes> read_whole(const UniqueFd& fd, const std::string& name);

}  // namespace keyscribe::base
