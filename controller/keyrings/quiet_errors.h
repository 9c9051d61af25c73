// SPDX-License-Identifier: Apache-2.0
// What OpenSSL says of foreign bytes is no error of this thread.
#pragma once

#include <openssl/err.h>

namespace keyscribe::keyrings {

/// Takes what OpenSSL reports while it lives off the thread's queue of errors.
struct QuietErrors {
    QuietErrors() { ERR_set_mark(); }
    ~QuietErrors() { ERR_pop_to_mark(); }
    QuietErrors(const QuietErrors&) = delete;
    QuietErrors& operator=(const QuietErrors&) = delete;
};

}  // namespace keyscribe::keyrings
