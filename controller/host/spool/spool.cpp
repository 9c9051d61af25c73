// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/spool.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "controller/base/fault_point.h"
#include "controller/host/spool/event_codec.h"
#include "controller/host/spool/frame_content.h"

namespace keyscribe::spool {
namespace {

std::uint64_t bytes_of(const events::KeyEvent& event) {
    return sizeof(events::KeyEvent) + event.payload.size() + event.description.size() +
           event.keyring.name.size();
}

/// Whose budget it is: the keyring's owner's, who alone let it be written to. A key that leaves
/// root's keyring, or comes into it, is root's matter, and takes no budget; between two users'
/// keyrings it takes that of the one whom it leaves.
std::uint32_t owner_of(const events::KeyEvent& event) {
    if (event.from.serial != 0 && event.from_uid != event.keyring_uid)
        return event.keyring_uid != 0 ? event.from_uid : 0;
    return event.keyring.serial != 0 ? event.keyring_uid : event.key_uid;
}

}  // namespace

std::string_view name_of(Drop::Reason reason) {
    constexpr std::string_view kNames[] = {"deadline", "size", "version", "budget"};
    return kNames[static_cast<std::size_t>(reason)];
}

Spool::Spool(std::uint64_t max_bytes, Clock::duration deadline, std::uint64_t user_budget)
    : max_bytes_(max_bytes), deadline_(deadline), budget_(user_budget) {}

Drop& Spool::drop_of(Drop::Reason reason, std::uint64_t sequence) {
    if (drops_.empty() || drops_.back().reason != reason)
        drops_.push_back({.reason = reason, .first_sequence = sequence, .last_sequence = sequence});
    Drop& drop = drops_.back();
    drop.first_sequence = std::min(drop.first_sequence, sequence);
    drop.last_sequence = std::max(drop.last_sequence, sequence);
    return drop;
}

void Spool::note_drop(const events::KeyEvent& event, Drop::Reason reason) {
    Drop& drop = drop_of(reason, event.sequence);
    ++totals_.dropped;
    ++drop.count;
    drop.bytes += bytes_of(event);
}

void Spool::keep_in(SpoolFile file, std::uint64_t list_size,
                    std::shared_ptr<const settings::LoadedPolicy> policy) {
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
    auto found = file_->settle(list_size);
    taken_ = file_->state().head_number;
    progress_ = file_->state().progress;
    if (policy != nullptr) {
        add(Resume{std::move(policy)});
        open_ = true;
    }
    restore(std::move(found));
}

/// What a former process left, in its order.
void Spool::restore(SpoolFile::Found found) {
    for (std::string& what : found.damage) {
        spdlog::error("{}", what);
        add(Tampered{std::move(what)});
    }
    if (const Dropped& dropped = file_->state().dropped; dropped.count != 0)
        drops_.push_back({.reason = Drop::Reason::kSize,
                          .count = dropped.count,
                          .first_sequence = dropped.first,
                          .last_sequence = dropped.last});
    if (found.other_version) {
        spdlog::error("spool: another build wrote it, in a version that is not read here");
        drops_.push_back({.reason = Drop::Reason::kVersion});
    }
    for (const Frame& frame : found.frames) {
        auto item = item_of(frame);
        if (!item) {
            note_unread(frame);
            continue;
        }
        if (const auto* event = std::get_if<events::KeyEvent>(&*item)) {
            ++totals_.waiting;
            ++totals_.restored;
            totals_.waiting_bytes += bytes_of(*event);
        }
        add(std::move(*item));
        entries_.back().frame = frame.number;
    }
    if (totals_.restored != 0)
        spdlog::info("{} events of the former process wait to be measured", totals_.restored);
}

/// A frame of another build that is not understood.
void Spool::note_unread(const Frame& frame) {
    spdlog::error("spool: frame {} is not understood: another build wrote it", frame.number);
    if (frame.kind == FrameKind::kEvent) {
        Drop& drop = drop_of(Drop::Reason::kVersion, sequence_of(frame.content));
        drop.next_frame = frame.number + 1;
        ++drop.count;
        ++totals_.dropped;
    } else {
        drops_.push_back({.reason = Drop::Reason::kVersion, .next_frame = frame.number + 1});
    }
}

void Spool::add(SpoolItem item) {
    entries_.push_back({Clock::now(), std::move(item)});
    changed_.notify_one();
}

void Spool::push(events::KeyEvent event) {
    const std::lock_guard lock(mutex_);
    add_event(std::move(event));
}

void Spool::push(std::vector<events::KeyEvent> events) {
    const std::lock_guard lock(mutex_);
    for (events::KeyEvent& event : events) add_event(std::move(event));
}

void Spool::add_event(events::KeyEvent event) {
    const std::uint64_t bytes = bytes_of(event);
    if (progress_.ring != event.ring) progress_ = {.ring = event.ring};
    progress_.position = event.ring_position;
    ++progress_.received;
    if (file_) file_->set_progress(progress_);
    if (!budget_.admit(owner_of(event), bytes, event.sequence, Clock::now())) {
        ++totals_.dropped;
        ++totals_.untold;
        if (file_) file_->note_dropped(event.sequence, 1);
        return;
    }
    if (totals_.waiting_bytes + bytes > max_bytes_) {
        note_drop(event, Drop::Reason::kSize);
        if (file_) file_->note_dropped(event.sequence, 1);
        return;
    }
    const std::uint64_t frame = file_ ? file_->append(FrameKind::kEvent, pack_event(event)) : 0;
    ++totals_.waiting;
    totals_.waiting_bytes += bytes;
    add(std::move(event));
    entries_.back().frame = frame;
}

void Spool::push(events::Loss loss) {
    const std::lock_guard lock(mutex_);
    progress_.reported += loss.lost();
    if (file_) file_->set_progress(progress_);
    if (!entries_.empty())
        if (auto* before = std::get_if<events::Loss>(&entries_.back().item);
            before != nullptr && before->last + 1 == loss.first && loss.count == 0 && !file_) {
            before->last = loss.last;
            return;
        }
    add(loss);
    if (file_) entries_.back().frame = file_->append(FrameKind::kLoss, bytes_of_value(loss));
}

void Spool::push(Missed missed) {
    const std::lock_guard lock(mutex_);
    progress_.missed += missed.count;
    if (file_) file_->set_progress(progress_);
    add(missed);
    if (file_) entries_.back().frame = file_->append(FrameKind::kMissed, bytes_of_value(missed));
}

void Spool::push(Tampered tampered) {
    const std::lock_guard lock(mutex_);
    add(std::move(tampered));
}

void Spool::push(Detached detached) {
    const std::lock_guard lock(mutex_);
    add(std::move(detached));
}

void Spool::push(Canary canary) {
    const std::lock_guard lock(mutex_);
    add(std::move(canary));
}

void Spool::drop_unread(std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    drops_.push_back({.reason = Drop::Reason::kVersion, .count = count});
    totals_.dropped += count;
    if (file_) file_->note_dropped(0, count);
    changed_.notify_one();
}

void Spool::account_for(std::uint32_t ring, std::uint64_t received) {
    const std::lock_guard lock(mutex_);
    if (progress_.ring != ring) progress_ = {.ring = ring};
    progress_.received += received;
    if (file_) file_->set_progress(progress_);
}

events::Progress Spool::progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
}

void Spool::set_progress(std::uint32_t ring, std::uint64_t settled) {
    const std::lock_guard lock(mutex_);
    if (progress_.ring != ring) progress_ = {.ring = ring};
    progress_.settled = settled;
    if (file_) file_->set_progress(progress_);
}

void Spool::push(BaselineRefresh refresh) {
    const std::lock_guard lock(mutex_);
    add(std::move(refresh));
    ++refreshes_;
}

bool Spool::has_refresh() const {
    const std::lock_guard lock(mutex_);
    return refreshes_ != 0;
}

void Spool::push(PolicyChange change) {
    const std::lock_guard lock(mutex_);
    changed_.notify_one();
    if (!open_) {
        open_ = true;
        entries_.push_front({Clock::now(), std::move(change)});
        return;
    }
    // What a former process left is judged with what is known of keyrings now.
    if (!entries_.empty())
        if (auto* resume = std::get_if<Resume>(&entries_.front().item);
            resume != nullptr && resume->baseline == nullptr)
            resume->baseline = change.baseline;
    const std::uint64_t frame = file_ ? file_->append(FrameKind::kPolicy, pack_policy(change)) : 0;
    add(std::move(change));
    entries_.back().frame = frame;
}

void Spool::flush() {
    const std::lock_guard lock(mutex_);
    flush_locked();
}

void Spool::flush_locked() {
    if (!file_) return;
    const auto done = file_->flush();
    const std::string error = done ? std::string() : to_string(done.error());
    if (!error.empty() && totals_.error.empty()) spdlog::error("{}", error);
    totals_.error = error;
}

std::uint64_t Spool::taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
}

void Spool::begin_commit(std::uint64_t taken, std::uint64_t before, std::uint64_t after) {
    const std::lock_guard lock(mutex_);
    if (!file_) return;
    flush_locked();
    fault_point("before-commit");
    Dropped left;
    const auto leave = [&left](std::uint64_t count, std::uint64_t first, std::uint64_t last) {
        if (left.count == 0) left.first = first;
        left.count += count;
        left.last = last;
    };
    // Those that no frame stands for.
    for (const Drop& drop : drops_)
        if (drop.next_frame == 0) leave(drop.count, drop.first_sequence, drop.last_sequence);
    for (const auto& over : budget_.held()) leave(over.count, over.first, over.last);
    if (auto done = file_->begin_commit(taken, left, before, after); !done)
        totals_.error = to_string(done.error());
}

void Spool::end_commit() {
    const std::lock_guard lock(mutex_);
    if (file_) file_->end_commit();
}

void Spool::settle() {
    const std::lock_guard lock(mutex_);
    if (file_) file_->release(taken_);
    settled_ = true;
}

bool Spool::is_settled() const {
    const std::lock_guard lock(mutex_);
    return settled_ && entries_.empty() && drops_.empty() && totals_.untold == 0;
}

/// Writes everything that waits into a new file: somebody removed the old one, or cut it.
void Spool::put_file_back() {
    const std::string what = "spool: the file was removed or cut; it is written anew";
    std::error_code ignored;
    std::filesystem::remove(file_->path(), ignored);
    auto file = SpoolFile::open(file_->path());
    if (!file) {
        totals_.error = to_string(file.error());
        return;
    }
    spdlog::error("{}", what);
    file->continue_at(file_->next_number());
    file_ = std::move(*file);
    file_->set_progress(progress_);
    for (Entry& entry : entries_) {
        if (entry.frame == 0) continue;
        if (const auto* event = std::get_if<events::KeyEvent>(&entry.item))
            entry.frame = file_->append(FrameKind::kEvent, pack_event(*event));
        else if (const auto* change = std::get_if<PolicyChange>(&entry.item))
            entry.frame = file_->append(FrameKind::kPolicy, pack_policy(*change));
        else if (const auto* loss = std::get_if<events::Loss>(&entry.item))
            entry.frame = file_->append(FrameKind::kLoss, bytes_of_value(*loss));
        else if (const auto* missed = std::get_if<Missed>(&entry.item))
            entry.frame = file_->append(FrameKind::kMissed, bytes_of_value(*missed));
        else
            entry.frame = 0;
    }
    add(Tampered{what});
}

std::optional<SpoolItem> Spool::pop(Clock::duration timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout,
                      [&] { return closed_ || (open_ && (!entries_.empty() || !drops_.empty())); });
    if (!open_) return std::nullopt;
    const bool policy_is_next =
        !entries_.empty() && (std::holds_alternative<PolicyChange>(entries_.front().item) ||
                              std::holds_alternative<Resume>(entries_.front().item));
    if (!drops_.empty() && !policy_is_next) {
        Drop drop = drops_.front();
        drops_.pop_front();
        // Advance taken_ so that a restart does not report this drop again; an older item that
        // still waits holds it back.
        if (entries_.empty() || entries_.front().frame == 0 ||
            entries_.front().frame >= drop.next_frame)
            taken_ = std::max(taken_, drop.next_frame);
        settled_ = false;
        return drop;
    }
    if (entries_.empty()) return std::nullopt;
    SpoolItem item = std::move(entries_.front().item);
    if (entries_.front().frame != 0) taken_ = entries_.front().frame + 1;
    entries_.pop_front();
    settled_ = false;
    if (std::holds_alternative<BaselineRefresh>(item)) --refreshes_;
    if (const auto* event = std::get_if<events::KeyEvent>(&item)) {
        --totals_.waiting;
        totals_.waiting_bytes -= bytes_of(*event);
    }
    return item;
}

void Spool::expire(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (file_ && !file_->is_intact()) put_file_back();
    flush_locked();
    for (const auto& over : budget_.due(now)) {
        totals_.untold -= over.count;
        drops_.push_back({.reason = Drop::Reason::kBudget,
                          .count = over.count,
                          .first_sequence = over.first,
                          .last_sequence = over.last,
                          .uid = over.uid});
        changed_.notify_one();
    }
    if (deadline_ == Clock::duration::zero()) return;
    std::erase_if(entries_, [&](const Entry& entry) {
        const auto* event = std::get_if<events::KeyEvent>(&entry.item);
        if (event == nullptr || now - entry.since < deadline_) return false;
        --totals_.waiting;
        totals_.waiting_bytes -= bytes_of(*event);
        note_drop(*event, Drop::Reason::kDeadline);
        if (entry.frame != 0) drops_.back().next_frame = entry.frame + 1;
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

}  // namespace keyscribe::spool
