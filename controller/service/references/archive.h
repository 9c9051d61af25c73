// SPDX-License-Identifier: Apache-2.0
// libarchive's reader, owned.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

struct FreeArchive {
    void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

/// "WHAT: libarchive's message".
inline std::unexpected<Error> archive_failed(const std::string& what, const std::string& where,
                                             archive* reader) {
    const char* message = archive_error_string(reader);
    return fail(what + ": " + (message != nullptr ? message : "no reason is given"), where);
}

/// Lets `reader` undo what kernels, packages and modules are compressed with, by its first bytes.
/// LZO is undone by lzop(1): libarchive is built without it in Debian.
inline void undo_compression(archive* reader) {
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_lzma(reader);
    archive_read_support_filter_lz4(reader);
    archive_read_support_filter_lzop(reader);
    archive_read_support_filter_zstd(reader);
}

}  // namespace keyscribe::references
