// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <utility>

namespace keyscribe::capture {
namespace {

std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

std::uint64_t round_up(std::uint64_t length) {
    // The two highest bits are flags.
    return ((length & ~std::uint64_t{BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT}) +
            BPF_RINGBUF_HDR_SZ + 7) &
           ~std::uint64_t{7};
}

}  // namespace

void RingReader::Unmap::operator()(void* memory) const { ::munmap(memory, size); }

RingReader::RingReader(Mapping consumer, Mapping producer, std::size_t size)
    : consumer_(std::move(consumer)), producer_(std::move(producer)), size_(size) {
    position_ = released_ = std::atomic_ref(*static_cast<std::uint64_t*>(consumer_.get())).load();
}

Result<RingReader> RingReader::open(int map, std::size_t size) {
    void* consumer = ::mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (consumer == MAP_FAILED) return fail_errno("cannot map the ring buffer", "mmap(2)");
    Mapping first(consumer, Unmap{page()});
    const std::size_t rest = page() + 2 * size;
    void* producer = ::mmap(nullptr, rest, PROT_READ, MAP_SHARED, map, static_cast<off_t>(page()));
    if (producer == MAP_FAILED) return fail_errno("cannot map the ring buffer", "mmap(2)");
    return RingReader(std::move(first), Mapping(producer, Unmap{rest}), size);
}

std::uint64_t RingReader::produced() const {
    return std::atomic_ref(*static_cast<std::uint64_t*>(producer_.get()))
        .load(std::memory_order_acquire);
}

std::optional<std::span<const std::byte>> RingReader::next() {
    const std::atomic_ref consumer(*static_cast<std::uint64_t*>(consumer_.get()));
    if (const std::uint64_t now = consumer.load(std::memory_order_acquire); now != released_) {
        disturbed_ = true;
        released_ = now;
        // What was given back for us is still there unless something newer took its place.
        if (produced() - position_ > size_) position_ = now;
    }
    while (position_ < produced()) {
        auto* data = static_cast<std::byte*>(producer_.get()) + page() + (position_ & (size_ - 1));
        const std::uint32_t length = std::atomic_ref(*reinterpret_cast<std::uint32_t*>(data))
                                         .load(std::memory_order_acquire);
        if (length & BPF_RINGBUF_BUSY_BIT) return std::nullopt;
        position_ += round_up(length);
        if (length & BPF_RINGBUF_DISCARD_BIT) continue;
        return std::span<const std::byte>(data + BPF_RINGBUF_HDR_SZ, length);
    }
    return std::nullopt;
}

void RingReader::skip_to(std::uint64_t position) {
    if (position <= position_ || position > produced()) return;
    position_ = position;
    release();
}

void RingReader::release() {
    const std::atomic_ref consumer(*static_cast<std::uint64_t*>(consumer_.get()));
    if (consumer.load(std::memory_order_acquire) != released_) disturbed_ = true;
    released_ = position_;
    consumer.store(position_, std::memory_order_release);
}

bool RingReader::was_disturbed() { return std::exchange(disturbed_, false); }

}  // namespace keyscribe::capture
