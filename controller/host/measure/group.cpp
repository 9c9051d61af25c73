// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/group.h"

namespace keyscribe::measure {
namespace {

/// While at least so many events wait, the TPM is the bottleneck, and records share an extend.
constexpr std::uint64_t kManyWait = 8;
/// What may share one.
constexpr std::size_t kMaxRecords = 1024;
constexpr std::size_t kMaxBytes = 1 << 20;
/// A baseline of more records than these is batched, too: an extend of a TPM can take 10 ms.
constexpr std::size_t kAlone = 256;

}  // namespace

void Group::add(NamedBuf record, std::uint64_t token) {
    bytes_ += record.name.size() + record.buf.size();
    records_.push_back(std::move(record));
    token_ = token;
}

void Group::end_event(bool each) {
    each_ = each;
    ++events_;
}

bool Group::is_full() const { return records_.size() >= kMaxRecords || bytes_ >= kMaxBytes; }

bool Group::is_due(std::uint64_t waiting) const {
    if (is_empty()) return false;
    return each_ || is_full() || waiting == 0 || (events_ <= 1 && waiting < kManyWait);
}

std::vector<NewEntry> Group::entries() const {
    const bool alone = each_ || (events_ <= 1 && records_.size() <= kAlone);
    return alone ? single_entries(records_) : batch_entries(records_);
}

}  // namespace keyscribe::measure
