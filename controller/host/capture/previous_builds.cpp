// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/previous_builds.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <optional>
#include <thread>

#include "controller/base/fault_point.h"
#include "controller/host/capture/event_decoder.h"
#include "controller/host/capture/programs.h"
#include "controller/host/capture/ring_reader.h"

namespace keyscribe::capture {
namespace {

/// Numbers of a new ring begin so far behind those of the one before it.
constexpr std::uint64_t kNumbersApart = 1u << 20;

/// Returns one of the variables of programs whose layout only their `about` knows.
std::uint64_t variable(const PinnedSet& set, std::uint32_t offset) {
    std::vector<std::uint8_t> all(set.about.variables_size);
    const std::uint32_t first = 0;
    std::uint64_t value = 0;
    if (offset + sizeof(value) > all.size() ||
        bpf_map_lookup_elem(set.variables.get(), &first, all.data()) != 0)
        return 0;
    std::memcpy(&value, all.data() + offset, sizeof(value));
    return value;
}

/// Up to `most` events of a ring of another build. Who ran which executable only the former process
/// was told. Operations that this build cannot read are counted in `unread`.
std::vector<events::KeyEvent> events_of(RingReader& ring, std::uint32_t id, std::size_t most,
                                        std::uint64_t& unread) {
    std::vector<events::KeyEvent> events;
    for (std::size_t taken = 0; taken < most; ++taken) {
        const auto record = ring.next();
        if (!record) break;
        auto event = decode_event(*record);
        if (!event && sequence_of(*record) != 0) ++unread;
        if (!event || event->operation == KS_OP_EXECUTABLE || event->operation == KS_OP_CGROUP ||
            event->operation == KS_OP_BASELINE)
            continue;
        event->ring = id;
        event->ring_position = ring.position();
        event->generation = 0;
        events.push_back(std::move(*event));
    }
    return events;
}

}  // namespace

PreviousBuilds::PreviousBuilds(const std::filesystem::path& own, const events::Progress& progress,
                               std::vector<std::string>& findings)
    : progress_(progress) {
    for (const auto& directory : pinned_sets()) {
        if (directory == own) continue;
        if (auto set = open_pinned(directory); set) {
            sets_.push_back(std::move(*set));
        } else {
            findings.push_back("programs of another build could not be taken over: " +
                               to_string(set.error()));
            (void)unpin(directory);
        }
    }
}

std::uint64_t PreviousBuilds::first_free_number() const {
    std::uint64_t first = 0;
    for (const PinnedSet& set : sets_)
        first = std::max(first, variable(set, set.about.sequence) + kNumbersApart);
    return first;
}

void PreviousBuilds::read(const Keep& keep, const std::stop_token& stop) {
    constexpr auto kNap = std::chrono::milliseconds(5);
    // One ring alone can be read so: the former process's progress is of one.
    for (const PinnedSet& set : sets_) {
        const std::uint32_t id = map_id(set.ring.get());
        if (progress_.ring != 0 && progress_.ring != id) continue;
        auto ring = RingReader::open(set.ring.get(), set.about.ring_size);
        if (!ring) return;
        if (progress_.ring == id) ring->skip_to(progress_.position);
        while (!stop.stop_requested()) {
            const std::uint64_t unread_before = unread_[id];
            auto events = events_of(*ring, id, kRecordsAtOnce, unread_[id]);
            const bool none = events.empty() && unread_[id] == unread_before;
            kept_ += events.size();
            if (!events.empty()) progress_ = keep(std::move(events));
            fault_point("before-former-release");
            ring->release();
            if (none) std::this_thread::sleep_for(kNap);
        }
        return;
    }
}

Result<PreviousBuilds::Rest> PreviousBuilds::detach(std::uint32_t own_ring) {
    Rest rest;
    for (PinnedSet& set : sets_) {
        const std::uint32_t id = map_id(set.ring.get());
        const bool was_read = progress_.ring == id;
        for (const auto& [name, fd] : set.links)
            ::unlink((set.directory / ("link_" + name)).c_str());
        set.links.clear();
        wait_for_programs();
        auto ring = RingReader::open(set.ring.get(), set.about.ring_size);
        if (!ring) return std::unexpected(ring.error());
        // Where numbers of our own ring are in the spool, those of the previous one are as well.
        if (progress_.ring == own_ring) continue;
        if (was_read) ring->skip_to(progress_.position);
        auto events = events_of(*ring, id, SIZE_MAX, unread_[id]);
        const std::uint64_t known = set.about.first + events.size() + unread_[id] +
                                    (was_read ? progress_.received + progress_.reported : 0);
        std::ranges::move(events, std::back_inserter(rest.events));
        const std::uint64_t given_out = variable(set, set.about.sequence);
        if (given_out > known)
            rest.losses.push_back({.first = (was_read ? progress_.settled : set.about.first) + 1,
                                   .last = given_out,
                                   .count = given_out - known});
    }
    for (const auto& [ring, unread] : unread_) rest.unread += unread;
    return rest;
}

void PreviousBuilds::forget() {
    for (const PinnedSet& set : sets_) (void)unpin(set.directory);
    sets_.clear();
}

}  // namespace keyscribe::capture
