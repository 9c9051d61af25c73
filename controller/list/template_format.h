// SPDX-License-Identifier: Apache-2.0
// Takes an entry's template data apart, of any template: the kernel's own and those that
// ima_template_fmt= names. Sources: Documentation/security/IMA-templates.rst,
// security/integrity/ima/ima_template.c (builtin_templates, supported_fields), ima_template_lib.c.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::list {

/// Views into template data.
struct TemplateFields {
    std::string_view type;       ///< of d-ngv2: "ima", "verity"; else empty
    std::string_view algorithm;  ///< "sha256"; of the field d by its length; empty: no digest
    Bytes digest;
    std::string_view name;              ///< n-ng or n, without the NUL
    std::optional<Bytes> buf;           ///< of what was measured: a key, a command line
    std::optional<Bytes> sig;           ///< security.ima, or where it is no signature security.evm
    std::optional<Bytes> evmsig;        ///< security.evm, where it is a portable signature
    std::optional<Bytes> modsig;        ///< a signature appended to the file: PKCS#7
    std::string_view modsig_algorithm;  ///< d-modsig: of the file without that signature
    Bytes modsig_digest;
    std::array<Bytes, 4> more{};  ///< the first fields that are neither digest nor name
    std::size_t count = 0;        ///< of those

    /// Whether the entry is of a buffer. The kernel measures none that is empty, and leaves the
    /// field empty where ima_template_fmt= has files measured with it (ima_template_lib.c,
    /// ima_eventbuf_init()).
    bool is_buffer() const { return buf && !buf->empty(); }
    /// The first field behind digest and name: buf, or sig.
    std::optional<Bytes> third() const {
        return count == 0 ? std::nullopt : std::optional(more[0]);
    }
};

/// Error: a field that no kernel has, one that is there twice, a length that does not add up, a
/// digest or name of another form, or bytes behind the last field.
Result<TemplateFields> decode_fields(std::string_view template_name, Bytes data);

}  // namespace keyscribe::list
