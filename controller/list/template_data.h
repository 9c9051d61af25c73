// SPDX-License-Identifier: Apache-2.0
// IMA's template data: what a list entry's digests are taken over. Source: the kernel's
// Documentation/security/IMA-templates.rst and security/integrity/ima/ima_template_lib.c.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/digest.h"
#include "controller/base/wiped_bytes.h"

namespace keyscribe::list {

/// A keyring's name as IMA writes it into n-ng: with `_` for each blank, which separates the text
/// list's fields (ima_write_template_field_data()).
std::string ima_event_name(std::string_view name);

/// The template data of ima-buf (d-ng|n-ng|buf): for each field a 32-bit little-endian length and
/// the bytes; d-ng is "sha256:", NUL, the SHA-256 of `buf`; n-ng is `name` and a NUL.
/// `name` has no NUL. The result may hold a secret payload, so it is wiped.
WipedBytes encode_ima_buf(std::string_view name, Bytes buf);

/// evmctl 1.5 stops at an entry with more template data, and verifies nothing then
/// (MAX_TEMPLATE_SIZE in its evmctl.c). No record is longer; a key's payload alone may be.
inline constexpr std::size_t kMaxOwnTemplateData = 4096;

/// How much encode_ima_buf() gives for a name and a buf of these sizes.
constexpr std::size_t ima_buf_size(std::size_t name, std::size_t buf) {
    constexpr std::size_t kLength = 4, kDigest = sizeof("sha256:") + 32, kNul = 1;
    return 3 * kLength + kDigest + name + kNul + buf;
}

/// The template data of ima-ng (d-ng|n-ng), for boot_aggregate.
WipedBytes encode_ima_ng(Algorithm algorithm, Bytes digest, std::string_view name);

}  // namespace keyscribe::list
