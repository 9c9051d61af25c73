// SPDX-License-Identifier: Apache-2.0
// Where the spool outlives the process: one file, mode 0600, on a tmpfs, for the life of a boot.
//
// Its first page has two slots for the state; the valid one with the higher serial counts, so a
// death in the middle of a write leaves the other. From the second page on frames follow each
// other (frame.h). All integers are in host byte order. What was taken is given back to the file
// system: a hole, or, as soon as nothing waits, the whole file.
//
// Exactly once: the state says before each write to the measurement list how large the list is,
// how large it will be, and which frames are in it then. Who finds the list as large as that knows
// that they are in it; who finds less cuts the list back and begins again.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/siphash.h"
#include "controller/base/unique_fd.h"
#include "controller/base/wiped_bytes.h"
#include "controller/host/events/progress.h"

namespace keyscribe::spool {

enum class FrameKind : std::uint32_t { kEvent = 1, kPolicy = 2, kLoss = 3, kMissed = 4 };

struct Frame {
    FrameKind kind = FrameKind::kEvent;
    std::uint64_t number = 0;  ///< from 1, without gaps
    WipedBytes content;
};

struct Dropped {
    std::uint64_t count = 0;
    std::uint64_t first = 0, last = 0;  ///< sequence numbers
};

class SpoolFile {
  public:
    /// What the first page has, twice.
    struct State {
        // These four are those of every version.
        std::uint32_t magic = 0;
        std::uint32_t crc = 0;  // of all that follows
        std::uint32_t version = 0;
        std::uint32_t size = 0;                          // bytes of this struct
        std::uint64_t serial = 0;                        // the larger one counts
        base::SipKey secret{};                           // of this file's frames, see frame.h
        std::uint64_t head_offset = 0, head_number = 0;  // the oldest frame that is not in the list
        std::uint64_t next_offset = 0, next_number = 0;  // the same, once the list has list_after
        std::uint64_t list_before = 0, list_after = 0;   // bytes
        // Events that found no room and are not recorded; the same, once the list has list_after.
        Dropped dropped, next_dropped;
        events::Progress progress;  // where no frame has a later one
    };

    /// What a former process left.
    struct Found {
        std::vector<Frame> frames;
        std::vector<std::string>
            damage;  ///< a sentence each: what was changed, and what came of it
        /// Another build wrote the file, in a version that is not read here. How many events
        /// waited in it is not known.
        bool other_version = false;
    };

    /// Opens or creates. What is damaged is repaired where one bit is wrong, and left out else.
    /// Error: the file cannot be used at all.
    static Result<SpoolFile> open(const std::filesystem::path& path);

    const State& state() const { return state_; }
    const std::filesystem::path& path() const { return path_; }

    /// Decides by the list's size whether the commit that was under way was made. Returns the
    /// frames that are not in the list. Called once, before anything else.
    Found settle(std::uint64_t list_size);

    /// Writes this progress into every frame from now on, and into the next state.
    void set_progress(const events::Progress& progress);

    /// Puts a frame behind the others; flush() writes it. Returns its number.
    std::uint64_t append(FrameKind kind, std::span<const std::uint8_t> content);
    /// Writes the frames to the file. Error: no room; nothing is lost, and the next call tries
    /// again.
    Result<void> flush();

    /// Writes that the list is about to grow from `before` to `after` bytes, and then has every
    /// frame below `next`. After a failed append it is called again. `left`: the drops that the
    /// list does not have even then.
    Result<void> begin_commit(std::uint64_t next, const Dropped& left, std::uint64_t before,
                              std::uint64_t after);
    /// The list has grown. Writes nothing: the list's size says so.
    void end_commit();

    /// Frees the frames below `next`. Where none is left the file becomes empty.
    void release(std::uint64_t next);

    /// Counts events that were given up, from the one of this number on; flush() writes the count.
    void note_dropped(std::uint64_t sequence, std::uint64_t count);

    /// Numbers frames from `number` on: this file takes the place of one that somebody removed.
    void continue_at(std::uint64_t number);

    /// Returns false where somebody removed or cut the file.
    bool is_intact() const;
    std::uint64_t next_number() const { return next_number_; }

  private:
    Result<void> load_state();
    Result<void> begin_anew();
    Result<void> write_state();
    std::uint64_t offset_of(std::uint64_t number) const;

    std::filesystem::path path_;
    UniqueFd fd_;
    State state_;
    std::vector<std::string> damage_;
    bool other_version_ = false;
    std::deque<std::uint64_t> offsets_;  // of the frames from state_.head_number on
    std::uint64_t next_number_ = 1;
    std::uint64_t tail_ = 0;     // where the next frame goes
    std::uint64_t written_ = 0;  // up to here it is in the file
    std::uint64_t freed_ = 0;    // up to here it was given back
    WipedBytes unwritten_;
    bool state_changed_ = false;
};

}  // namespace keyscribe::spool
