// SPDX-License-Identifier: Apache-2.0
// IMA's template data: what a list entry's digests are taken over. Source: the kernel's
// Documentation/security/IMA-templates.rst and security/integrity/ima/ima_template_lib.c.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/base/wiped_bytes.h"

namespace keyscribe::list {

/// A keyring's name as IMA writes it into n-ng: with `_` for each blank, which separates the text
/// list's fields (ima_write_template_field_data()).
std::string ima_event_name(std::string_view name);

/// The template data of ima-buf (d-ng|n-ng|buf): for each field a 32-bit little-endian length and
/// the bytes; d-ng is "sha256:", NUL, the SHA-256 of `buf`; n-ng is `name` and a NUL.
/// `name` has no NUL. The result may hold a secret payload, so it is wiped.
WipedBytes encode_ima_buf(std::string_view name, Bytes buf);

/// The template data of ima-ng (d-ng|n-ng), for boot_aggregate.
WipedBytes encode_ima_ng(Algorithm algorithm, Bytes digest, std::string_view name);

/// Template data, taken apart. Views.
struct TemplateFields {
    std::string_view type;       ///< of d-ngv2: "ima", "verity"; of d-ng empty
    std::string_view algorithm;  ///< "sha256"; of the template "ima" "sha1"
    Bytes digest;
    std::string_view name;        ///< n-ng, without the NUL
    std::array<Bytes, 4> more{};  ///< the fields behind it, by the template's name
    std::size_t count = 0;        ///< of those

    /// buf, or sig: by the template's name.
    std::optional<Bytes> third() const {
        return count == 0 ? std::nullopt : std::optional(more[0]);
    }
};

/// Takes ima, ima-ng, ima-ngv2, ima-buf, ima-sig, ima-sigv2 and ima-modsig apart.
/// Error: another template, a length that does not add up, a missing NUL, or bytes behind the last
/// field.
Result<TemplateFields> decode_fields(std::string_view template_name, Bytes data);

}  // namespace keyscribe::list
