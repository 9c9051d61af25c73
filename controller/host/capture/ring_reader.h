// SPDX-License-Identifier: Apache-2.0
// Reads a BPF ring buffer. Unlike libbpf's it gives records back to the kernel only when it is told
// to, so that they can be put into safety first, and sees when somebody else reads the same ring.
// Source of the layout: the kernel's kernel/bpf/ringbuf.c and Documentation/bpf/ringbuf.rst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "controller/base/error.h"

namespace keyscribe::capture {

/// Records taken at one go: their room in the ring is given back when all of them are in the spool.
constexpr std::size_t kRecordsAtOnce = 512;

class RingReader {
  public:
    /// `map`: the ring's descriptor, which must outlive this; `size`: of its data, in bytes.
    static Result<RingReader> open(int map, std::size_t size);

    /// The next record that is complete; nothing: there is none, or the next one is still written.
    /// Its bytes are valid until release().
    std::optional<std::span<const std::byte>> next();

    /// Where the next record begins, in bytes since the ring was made.
    std::uint64_t position() const { return position_; }
    /// Everything before that was read by a former process, or is given up.
    void skip_to(std::uint64_t position);

    /// Gives everything that next() has handed out back to the kernel.
    void release();

    /// Somebody else gave records back since the last call: whoever that is has read them as well.
    bool was_disturbed();

  private:
    struct Unmap {
        std::size_t size;
        void operator()(void* memory) const;
    };
    using Mapping = std::unique_ptr<void, Unmap>;
    RingReader(Mapping consumer, Mapping producer, std::size_t size);
    std::uint64_t produced() const;

    Mapping consumer_;  // the first page: how far the consumer is
    Mapping producer_;  // the second: how far the producers are; then the data, twice
    std::size_t size_;
    std::uint64_t position_ = 0;
    std::uint64_t released_ = 0;  // what the consumer's page must have
    bool disturbed_ = false;
};

}  // namespace keyscribe::capture
