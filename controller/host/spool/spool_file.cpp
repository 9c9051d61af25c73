// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/spool_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "controller/base/fault_point.h"
#include "controller/host/spool/crc32.h"
#include "controller/host/spool/frame.h"

namespace keyscribe::spool {
namespace {

constexpr std::uint32_t kStateMagic = 0x5350534b;  // "KSPS"
/// Of state, frames, and the contents of all but events (event_codec.h); raised with each change.
constexpr std::uint32_t kVersion = 2;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSlot = 512;
/// What is taken is given back in pieces of this size.
constexpr std::uint64_t kHole = 1 << 20;

constexpr std::size_t kCrcEnd = 8;  // the state's CRC is over what stands behind it

using Span = std::span<std::uint8_t>;

Result<void> write_at(int fd, std::span<const std::uint8_t> bytes, std::uint64_t offset,
                      const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0)
            return fail_errno("cannot write the spool", path,
                              "events wait in memory alone; make room", wrote < 0 ? errno : ENOSPC);
        bytes = bytes.subspan(static_cast<std::size_t>(wrote));
        offset += static_cast<std::uint64_t>(wrote);
    }
    return {};
}

/// Of two, the one that is larger is the later one. Maps' ids grow.
auto order(const events::Progress& progress) {
    return std::tuple(progress.ring, progress.position, progress.received, progress.reported,
                      progress.settled, progress.missed);
}

/// The CRC of `bytes` behind its own field is as it says; `repaired` where a bit had to be flipped.
bool check(Span bytes, bool& repaired) {
    std::uint32_t said = 0;
    std::memcpy(&said, bytes.data() + 4, sizeof(said));
    const Span covered = bytes.subspan(kCrcEnd);
    const std::uint32_t difference = crc32(covered) ^ said;
    if (difference == 0) return true;
    // One wrong bit of the CRC itself, or one of what it covers.
    repaired = (difference & (difference - 1)) == 0 || correct_one_bit(covered, difference);
    return repaired;
}

/// Each version's state begins with the same four fields, and has its CRC over `size` bytes.
bool is_of_another_version(Span slot) {
    SpoolFile::State state;
    std::memcpy(&state, slot.data(), sizeof(state));
    return state.magic == kStateMagic && state.version != kVersion && state.size > kCrcEnd &&
           state.size <= slot.size() && crc32(slot.first(state.size).subspan(kCrcEnd)) == state.crc;
}

}  // namespace

Result<SpoolFile> SpoolFile::open(const std::filesystem::path& path) {
    SpoolFile file;
    file.path_ = path;
    file.fd_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.fd_) return fail_errno("cannot open the spool", path.string());
    if (auto done = file.load_state(); !done) return std::unexpected(done.error());
    return file;
}

Result<void> SpoolFile::load_state() {
    std::array<std::uint8_t, kPage> page{};
    const ssize_t got = ::pread(fd_.get(), page.data(), page.size(), 0);
    struct stat status{};
    if (got < 0 || ::fstat(fd_.get(), &status) != 0)
        return fail_errno("cannot read the spool", path_.string());
    bool none = true, repaired = false, other_version = false;
    for (std::size_t at = 0; at < 2 * kSlot; at += kSlot) {
        const Span slot = Span(page).subspan(at, kSlot);
        if (std::ranges::all_of(slot, [](std::uint8_t byte) { return byte == 0; })) continue;
        none = false;
        if (is_of_another_version(slot)) {
            other_version = true;
            continue;
        }
        bool corrected = false;
        if (!check(slot.first(sizeof(State)), corrected)) {
            damage_.push_back("spool: one of its two states was changed, the other one is used");
            continue;
        }
        State state;
        std::memcpy(&state, slot.data(), sizeof(state));
        repaired |= corrected || state.magic != kStateMagic;
        if (state.serial > state_.serial) state_ = state;
    }
    if (repaired) damage_.push_back("spool: a bit of its state was changed, and is repaired");
    if (state_.serial == 0) {
        if (other_version)
            other_version_ = static_cast<std::uint64_t>(status.st_size) > kPage;
        else if (!none)
            damage_.push_back("spool: its state was destroyed; what waited is lost");
        if (auto done = begin_anew(); !done) return done;
    }
    state_.magic = kStateMagic;
    if (state_.head_offset < kPage || state_.next_offset < state_.head_offset)
        return fail("the spool's state makes no sense", path_.string(), "remove the file");
    return write_state();
}

Result<void> SpoolFile::begin_anew() {
    state_ = {.version = kVersion,
              .size = sizeof(State),
              .serial = 1,
              .head_offset = kPage,
              .head_number = 1,
              .next_offset = kPage,
              .next_number = 1};
    if (::getrandom(state_.secret.data(), sizeof(state_.secret), 0) != sizeof(state_.secret))
        return fail_errno("cannot make a secret for the spool", "getrandom(2)");
    if (::ftruncate(fd_.get(), 0) != 0 || ::ftruncate(fd_.get(), kPage) != 0)
        return fail_errno("cannot create the spool", path_.string());
    return {};
}

Result<void> SpoolFile::write_state() {
    ++state_.serial;
    std::array<std::uint8_t, sizeof(State)> bytes;
    std::memcpy(bytes.data(), &state_, sizeof(state_));
    state_.crc = crc32(Span(bytes).subspan(kCrcEnd));
    std::memcpy(bytes.data(), &state_, sizeof(state_));
    state_changed_ = false;
    return write_at(fd_.get(), bytes, state_.serial % 2 * kSlot, path_.string());
}

SpoolFile::Found SpoolFile::settle(std::uint64_t list_size) {
    Found found{.damage = std::move(damage_), .other_version = other_version_};
    if (list_size >= state_.list_after) end_commit();
    state_.next_offset = state_.head_offset;
    state_.next_number = state_.head_number;
    state_.next_dropped = state_.dropped;
    state_.list_before = state_.list_after = list_size;
    next_number_ = state_.head_number;
    tail_ = written_ = freed_ = state_.head_offset;

    struct stat status{};
    ::fstat(fd_.get(), &status);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    WipedBytes all(size > tail_ ? size - tail_ : 0);
    const ssize_t got = ::pread(fd_.get(), all.data(), all.size(), static_cast<off_t>(tail_));
    all.resize(got > 0 ? static_cast<std::size_t>(got) : 0);

    Span rest(all);
    const auto pass = [&](std::size_t bytes) {
        tail_ += bytes;
        rest = rest.subspan(bytes);
    };
    const auto lost = [&](std::uint64_t number) {
        found.damage.push_back("spool: frame " + std::to_string(number) +
                               " was changed; its event is lost");
    };
    // Damaged frames leave gaps in the numbers, and each took room.
    const std::uint64_t limit = next_number_ + all.size() / sizeof(FrameHeader);
    while (rest.size() >= sizeof(FrameHeader)) {
        auto header = header_in(rest, state_.secret);
        bool repaired = false;
        if (!header) {
            header = repair_header(rest, state_.secret);
            repaired = header.has_value();
        }
        if (!header) {
            // Where the next one begins, only its header says: no content has the secret.
            std::size_t next = 8;
            while (next < rest.size() && !header_in(rest.subspan(next), state_.secret)) next += 8;
            lost(next_number_);
            pass(std::min(next, rest.size()));
            continue;
        }
        // Of a former filling, or half of it is there: a death in the middle of the write.
        if (header->number < next_number_ || header->size() > rest.size()) break;
        const Content content =
            header->number > limit ? Content::kDestroyed : check_content(*header, rest);
        if (content == Content::kDestroyed) {
            lost(header->number);
            pass(header->size());
            continue;
        }
        if (repaired || content == Content::kRepaired)
            found.damage.push_back("spool: a bit of frame " + std::to_string(header->number) +
                                   " was changed, and is repaired");
        const auto* bytes = rest.data() + sizeof(FrameHeader);
        found.frames.push_back({.kind = static_cast<FrameKind>(header->kind),
                                .number = header->number,
                                .content = {bytes, bytes + header->length}});
        // The state may have been written after the frame: events that found no room have none.
        if (order(header->progress) > order(state_.progress)) state_.progress = header->progress;
        // Numbers that are missing have no place of their own.
        while (next_number_ <= header->number) {
            offsets_.push_back(tail_);
            ++next_number_;
        }
        pass(header->size());
    }
    written_ = tail_;
    if (size > tail_) (void)!::ftruncate(fd_.get(), static_cast<off_t>(std::max(tail_, kPage)));
    if (!write_state()) state_changed_ = true;  // flush() tries again
    return found;
}

std::uint64_t SpoolFile::offset_of(std::uint64_t number) const {
    if (number <= state_.head_number) return state_.head_offset;
    const std::uint64_t index = number - state_.head_number;
    return index < offsets_.size() ? offsets_[index] : tail_;
}

std::uint64_t SpoolFile::append(FrameKind kind, std::span<const std::uint8_t> content) {
    const FrameHeader header{.number = next_number_++,
                             .kind = static_cast<std::uint32_t>(kind),
                             .progress = state_.progress};
    offsets_.push_back(tail_);
    tail_ += append_frame(unwritten_, header, content, state_.secret);
    return header.number;
}

Result<void> SpoolFile::flush() {
    if (state_changed_)
        if (auto done = write_state(); !done) return done;
    if (unwritten_.empty()) return {};
    if (auto done = write_at(fd_.get(), unwritten_, written_, path_.string()); !done) {
        // Half a frame must not stand there.
        (void)!::ftruncate(fd_.get(), static_cast<off_t>(written_));
        return done;
    }
    written_ = tail_;
    unwritten_.clear();
    return {};
}

void SpoolFile::end_commit() {
    for (; state_.head_number < state_.next_number && !offsets_.empty(); ++state_.head_number)
        offsets_.pop_front();
    state_.head_number = state_.next_number;
    state_.head_offset = state_.next_offset;
    state_.dropped = state_.next_dropped;
}

Result<void> SpoolFile::begin_commit(std::uint64_t next, const Dropped& left, std::uint64_t before,
                                     std::uint64_t after) {
    state_.next_dropped = left;
    state_.next_offset = offset_of(next);
    state_.next_number = std::max(next, state_.head_number);
    state_.list_before = before;
    state_.list_after = after;
    return write_state();
}

void SpoolFile::release(std::uint64_t next) {
    state_.next_offset = offset_of(next);
    state_.next_number = std::max(next, state_.head_number);
    end_commit();
    state_.list_before = state_.list_after;
    if (state_.head_number == next_number_) {
        if (tail_ == kPage) return;
        unwritten_.clear();
        tail_ = written_ = freed_ = kPage;
        state_.head_offset = state_.next_offset = kPage;
        if (!write_state()) return;
        fault_point("before-spool-cleared");
        (void)!::ftruncate(fd_.get(), kPage);
    } else if (state_.head_offset - freed_ >= kHole && state_.head_offset <= written_) {
        if (!write_state()) return;
        ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(freed_), static_cast<off_t>(state_.head_offset - freed_));
        freed_ = state_.head_offset;
    }
}

void SpoolFile::note_dropped(std::uint64_t sequence, std::uint64_t count) {
    for (Dropped* dropped : {&state_.dropped, &state_.next_dropped}) {
        if (dropped->count == 0) dropped->first = sequence;
        dropped->count += count;
        dropped->last = sequence;
    }
    state_changed_ = true;
}

void SpoolFile::set_progress(const events::Progress& progress) { state_.progress = progress; }

void SpoolFile::continue_at(std::uint64_t number) {
    state_.head_number = state_.next_number = next_number_ = number;
    tail_ = written_ = freed_ = state_.head_offset;
    state_changed_ = true;
}

bool SpoolFile::is_intact() const {
    struct stat here{}, there{};
    return ::fstat(fd_.get(), &here) == 0 && ::stat(path_.c_str(), &there) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev &&
           static_cast<std::uint64_t>(here.st_size) >= std::max(written_, kPage);
}

}  // namespace keyscribe::spool
