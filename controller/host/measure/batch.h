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

/// In the same order; neighbours that go into the same PCR share a keyscribe:batch entry, as many
/// as list::kMaxOwnTemplateData has room for. What is longer by itself, a key's payload, stands
/// alone.
std::vector<NewEntry> batch_entries(const std::vector<NamedBuf>& records);

}  // namespace keyscribe::measure
