// SPDX-License-Identifier: Apache-2.0
// Group commit: many entries that share one extend, as one keyscribe:batch entry. RECORDS.md has
// its format; unfold.h reads it.
#pragma once

#include <string>
#include <vector>

#include "controller/base/wiped_bytes.h"
#include "controller/host/measure/list_writer.h"

namespace keyscribe::measure {

/// What an ima-buf entry is about.
struct NamedBuf {
    unsigned pcr = 0;
    std::string name;
    WipedBytes buf;
};

/// Each as an ima-buf entry of its own.
std::vector<NewEntry> single_entries(const std::vector<NamedBuf>& records);

/// Names and bufs in one batch; a single record may have more. Far below what readers take
/// (list_reader.h): a baseline of many keys is many batches.
inline constexpr std::size_t kMaxBatchBytes = 4u << 20;

/// In the same order; neighbours that go into the same PCR share a keyscribe:batch entry.
std::vector<NewEntry> batch_entries(const std::vector<NamedBuf>& records);

}  // namespace keyscribe::measure
