// SPDX-License-Identifier: Apache-2.0
#include "controller/spool/spool.h"

#include <algorithm>
#include <utility>

namespace keyscribe {
namespace {

std::uint64_t bytes_of(const KeyEvent& event) {
    return sizeof(KeyEvent) + event.payload.size() + event.description.size() +
           event.keyring.size();
}

}  // namespace

Spool::Spool(std::uint64_t max_bytes, Clock::duration deadline)
    : max_bytes_(max_bytes), deadline_(deadline) {}

void Spool::note_drop(const KeyEvent& event, Drop::Reason reason) {
    const std::uint64_t bytes = bytes_of(event);
    ++totals_.dropped;
    if (drops_.empty() || drops_.back().reason != reason)
        drops_.push_back({.reason = reason,
                          .first_sequence = event.sequence,
                          .last_sequence = event.sequence});
    Drop& drop = drops_.back();
    ++drop.count;
    drop.bytes += bytes;
    drop.first_sequence = std::min(drop.first_sequence, event.sequence);
    drop.last_sequence = std::max(drop.last_sequence, event.sequence);
}

void Spool::push(KeyEvent event) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t bytes = bytes_of(event);
    if (totals_.waiting_bytes + bytes > max_bytes_) {
        note_drop(event, Drop::Reason::kSize);
        return;
    }
    ++totals_.waiting;
    totals_.waiting_bytes += bytes;
    entries_.push_back({Clock::now(), std::move(event)});
    changed_.notify_one();
}

void Spool::push(capture::Loss loss) {
    const std::lock_guard lock(mutex_);
    if (!entries_.empty())
        if (auto* before = std::get_if<capture::Loss>(&entries_.back().item);
            before != nullptr && before->last + 1 == loss.first) {
            before->last = loss.last;
            return;
        }
    entries_.push_back({Clock::now(), loss});
    changed_.notify_one();
}

void Spool::push(Missed missed) {
    const std::lock_guard lock(mutex_);
    entries_.push_back({Clock::now(), missed});
    changed_.notify_one();
}

void Spool::push(PolicyChange change) {
    const std::lock_guard lock(mutex_);
    entries_.push_back({Clock::now(), std::move(change)});
    changed_.notify_one();
}

void Spool::push_first(PolicyChange change) {
    const std::lock_guard lock(mutex_);
    entries_.push_front({Clock::now(), std::move(change)});
    open_ = true;
    changed_.notify_one();
}

std::optional<SpoolItem> Spool::pop(Clock::duration timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [&] {
        return closed_ || (open_ && (!entries_.empty() || !drops_.empty()));
    });
    if (!open_) return std::nullopt;
    const bool policy_is_next =
        !entries_.empty() && std::holds_alternative<PolicyChange>(entries_.front().item);
    if (!drops_.empty() && !policy_is_next) {
        Drop drop = drops_.front();
        drops_.pop_front();
        return drop;
    }
    if (entries_.empty()) return std::nullopt;
    SpoolItem item = std::move(entries_.front().item);
    entries_.pop_front();
    if (const auto* event = std::get_if<KeyEvent>(&item)) {
        --totals_.waiting;
        totals_.waiting_bytes -= bytes_of(*event);
    }
    return item;
}

void Spool::expire(Clock::time_point now) {
    if (deadline_ == Clock::duration::zero()) return;
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const Entry& entry) {
        const auto* event = std::get_if<KeyEvent>(&entry.item);
        if (event == nullptr || now - entry.since < deadline_) return false;
        --totals_.waiting;
        totals_.waiting_bytes -= bytes_of(*event);
        note_drop(*event, Drop::Reason::kDeadline);
        return true;
    });
    if (!drops_.empty()) changed_.notify_one();
}

void Spool::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
}

SpoolTotals Spool::totals() const {
    const std::lock_guard lock(mutex_);
    return totals_;
}

}  // namespace keyscribe
