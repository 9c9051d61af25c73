// SPDX-License-Identifier: Apache-2.0
// A message of libbpf's. That of a refused program has the verifier's whole log, some MiB, and says
// why at its end.
#pragma once

#include <cstdarg>
#include <string>

namespace keyscribe::capture {

/// The message, or its last lines in at most `limit` bytes.
std::string libbpf_message(const char* format, va_list arguments, std::size_t limit = 2048);

}  // namespace keyscribe::capture
