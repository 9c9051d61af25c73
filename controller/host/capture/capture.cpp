// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/capture.h"

#include <bpf/bpf.h>
#include <linux/keyctl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <thread>

#include "bpf/filter.h"
#include "controller/host/capture/announced.h"
#include "controller/host/capture/baseline_query.h"
#include "controller/host/capture/duplicates.h"
#include "controller/host/capture/event_decoder.h"
#include "controller/host/capture/programs.h"
#include "controller/host/capture/ring_reader.h"
#include "controller/host/capture/variables.h"

namespace keyscribe::capture {
namespace {

constexpr std::string_view kBaselineProgram = "stand";
constexpr auto kSettleInterval = std::chrono::milliseconds(50);

void append(Batch& batch, Batch more) {
    std::ranges::move(more.events, std::back_inserter(batch.events));
    std::ranges::move(more.losses, std::back_inserter(batch.losses));
}

/// The kernel looks a key up under its own lock, in whichever namespace: ENOKEY alone says that it
/// is gone.
bool exists(std::int32_t key) {
    return ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, nullptr, 0) >= 0 || errno != ENOKEY;
}

}  // namespace

struct Capture::Receiver {
    Batch* batch = nullptr;
    std::vector<events::KeyEvent>* baseline = nullptr;
    Announced announced;
    events::LossTracker* losses = nullptr;

    void take(events::KeyEvent event) {
        if (announced.take(event)) return;
        announced.complete(event.actor);
        if (event.operation == KS_OP_BASELINE) {
            if (baseline != nullptr) baseline->push_back(std::move(event));
            return;
        }
        losses->arrived(event.sequence);
        batch->events.push_back(std::move(event));
    }
};

void Capture::Unmap::operator()(void* memory) const { ::munmap(memory, size); }

Capture::Capture()
    : variables_(nullptr, Unmap{0}),
      receiver_(std::make_unique<Receiver>()),
      canary_(make_canary()) {}
Capture::Capture(Capture&&) noexcept = default;
Capture& Capture::operator=(Capture&&) noexcept = default;
Capture::~Capture() = default;

#define VARIABLES (*static_cast<Variables*>(variables_.get()))

Result<void> Capture::load(const HookPlan& plan, const KernelBtf& kernel, std::uint32_t ring_size,
                           const Keep& keep) {
    const std::uint64_t first = previous_.first_free_number();
    // Not while the new ones are attached: what both record is compared in the end.
    std::jthread reader;
    if (keep && has_previous_build())
        reader = std::jthread([&](const std::stop_token& stop) { previous_.read(keep, stop); });
    std::vector<std::string> warnings;
    auto set = load_programs(plan, kernel, ring_size, first, [&] { reader = {}; }, warnings);
    for (const std::string& warning : warnings) spdlog::warn("{}", warning);
    if (!set) return std::unexpected(set.error());
    set_ = std::move(*set);
    losses_ = events::LossTracker(first);
    accounted_before_ = first - previous_.kept();
    return {};
}

Result<void> Capture::open_maps(std::uint64_t position) {
    void* memory = ::mmap(nullptr, sizeof(Variables), PROT_READ | PROT_WRITE, MAP_SHARED,
                          set_.variables.get(), 0);
    if (memory == MAP_FAILED) return fail_errno("cannot map the programs' variables", "mmap(2)");
    variables_ = {memory, Unmap{sizeof(Variables)}};
    auto ring = RingReader::open(set_.ring.get(), set_.about.ring_size);
    if (!ring) return std::unexpected(ring.error());
    ring_ = std::make_unique<RingReader>(std::move(*ring));
    ring_->skip_to(position);
    ring_id_ = map_id(set_.ring.get());
    return {};
}

/// Numbers that were given out and neither received nor reported are lost, unless they still stand
/// in the ring. Which ones exactly, only the former process knew.
void Capture::account_for_former(const events::Progress& progress) {
    const std::uint64_t given_out = load_counter(VARIABLES.sequence);
    wait_for_programs();
    Batch batch;
    consume_all(batch);
    std::uint64_t highest = given_out;
    for (const events::KeyEvent& event : batch.events) highest = std::max(highest, event.sequence);
    const std::uint64_t before = progress.ring == ring_id_ ? progress.received : 0;
    const std::uint64_t reported = progress.ring == ring_id_ ? progress.reported : 0;
    std::uint64_t received = before;
    for (const events::KeyEvent& event : batch.events) received += event.sequence <= given_out;
    const std::uint64_t known = set_.about.first + received + reported;
    accounted_before_ = std::min(set_.about.first + before + reported, given_out);
    if (given_out > known) {
        const std::uint64_t settled = progress.ring == ring_id_ ? progress.settled : 0;
        found_lost_.push_back({.first = std::max(settled, set_.about.first) + 1,
                               .last = given_out,
                               .count = given_out - known});
    }
    // From here on by the numbers themselves.
    losses_ = events::LossTracker(given_out);
    for (const events::KeyEvent& event : batch.events) losses_.arrived(event.sequence);
    reported_ = load_counter(VARIABLES.counters[KS_COUNT_LOST]);
    adopted_events_ = std::move(batch.events);
}

Result<Capture> Capture::attach(const HookPlan& plan, const KernelBtf& kernel,
                                std::uint32_t ring_size, const events::Progress& progress,
                                const Keep& keep) {
    Capture capture;
    for (const Hook& hook : plan) capture.operations_of_[hook.program] = hook.operations;
    const auto directory = pin_directory_of(plan, ring_size);
    if (auto set = adopt_programs(directory, plan, capture.findings_)) {
        capture.set_ = std::move(*set);
        capture.adopted_ = capture.pinned_ = true;
    }
    capture.previous_ = PreviousBuilds(directory, progress, capture.findings_);
    if (!capture.adopted_) {
        if (auto done = capture.load(plan, kernel, ring_size, keep); !done)
            return std::unexpected(done.error());
        capture.set_.directory = directory;
    }
    const std::uint32_t ring = map_id(capture.set_.ring.get());
    if (auto done = capture.open_maps(progress.ring == ring ? progress.position : 0); !done)
        return std::unexpected(done.error());
    if (capture.adopted_) {
        // This process has to be told of every executable and cgroup again.
        auto& variables = *static_cast<Variables*>(capture.variables_.get());
        variables.baseline.mode = KS_BASELINE_OFF;
        variables.canary.tgid = 0;
        std::memset(variables.images, 0, sizeof(variables.images));
        std::memset(variables.cgroups, 0, sizeof(variables.cgroups));
        capture.account_for_former(progress);
    } else if (auto pinned = pin(capture.set_); pinned) {
        capture.pinned_ = true;
    } else {
        spdlog::warn("{}", to_string(pinned.error()));
    }
    return capture;
}

std::uint32_t Capture::generation() const { return VARIABLES.active_generation; }

/// True: there may be more in the ring.
bool Capture::consume(Batch& batch) {
    receiver_->batch = &batch;
    receiver_->losses = &losses_;
    for (std::size_t taken = 0; taken < kRecordsAtOnce; ++taken) {
        const auto record = ring_->next();
        if (!record) return false;
        auto event = decode_event(*record);
        if (event) {
            event->ring = ring_id_;
            event->ring_position = ring_->position();
            receiver_->take(std::move(*event));
        } else {
            ++malformed_;
            spdlog::error("{}", to_string(event.error()));
        }
    }
    return true;
}

/// All that stands in the ring now; what a flood adds meanwhile is left for later.
void Capture::consume_all(Batch& batch) {
    for (std::size_t bytes = 0; bytes <= set_.about.ring_size;
         bytes += kRecordsAtOnce * sizeof(ks_event))
        if (!consume(batch)) return;
}

void Capture::release() { ring_->release(); }

bool Capture::losses_pending() const {
    return load_counter(VARIABLES.counters[KS_COUNT_LOST]) + malformed_ != reported_;
}

void Capture::settle_losses(Batch& batch) {
    const std::uint64_t given_out = load_counter(VARIABLES.sequence);
    wait_for_programs();
    consume_all(batch);
    for (const events::Loss& loss : losses_.settle(given_out)) {
        reported_ += loss.lost();
        batch.losses.push_back(loss);
    }
    settled_at_ = std::chrono::steady_clock::now();
}

Result<Batch> Capture::drain() {
    Batch batch{.events = std::exchange(adopted_events_, {}),
                .losses = std::exchange(found_lost_, {})};
    batch.more = consume(batch);
    // Settling waits for the whole machine: not after every record of a flood.
    if (losses_pending() && std::chrono::steady_clock::now() - settled_at_ > kSettleInterval)
        settle_losses(batch);
    return batch;
}

/// What was found on adopting, and all that is in the ring.
Batch Capture::drain_all() {
    Batch batch{.events = std::exchange(adopted_events_, {}),
                .losses = std::exchange(found_lost_, {})};
    consume_all(batch);
    return batch;
}

Result<Batch> Capture::detach_previous_build() {
    Batch batch;
    if (previous_.is_empty()) return batch;
    auto rest = previous_.detach(ring_id_);
    if (!rest) return std::unexpected(rest.error());
    batch.events = std::move(rest->events);
    batch.losses = std::move(rest->losses);
    batch.unread = rest->unread;
    Batch own = drain_all();
    batch.twice = drop_duplicates(batch.events, own.events);
    spdlog::info(
        "programs of another build are detached: {} of their records were read while these loaded, "
        "{} were still to be read, {} came twice",
        previous_.kept(), batch.events.size(), batch.twice);
    // What is taken over counts as numbered here, what came twice once.
    accounted_before_ += batch.twice;
    accounted_before_ -= batch.events.size() + batch.unread;
    for (const events::Loss& loss : batch.losses) accounted_before_ -= loss.lost();
    append(batch, std::move(own));
    return batch;
}

Result<void> Capture::detach() {
    pinned_ = false;
    return unpin(set_.directory);
}

void Capture::look_after() {
    if (ring_->was_disturbed())
        findings_.push_back("the ring buffer was read by somebody else as well");
    // The kernel detaches no tracing link that is still open here; only its pin can go.
    if (!pinned_) return;
    const auto missing = missing_pins(set_);
    if (missing.empty()) return;
    std::string names;
    for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
    findings_.push_back("pins were removed from " + set_.directory.string() + ": " + names);
    // Programs, maps and links are still open here: they are pinned anew.
    (void)unpin(set_.directory);
    if (auto done = pin(set_); !done) {
        findings_.push_back(to_string(done.error()));
        pinned_ = false;
    }
}

Result<Batch> Capture::activate(const ks_filter& filter) {
    VARIABLES.filters[filter.generation & 1] = filter;
    in_force_ = std::make_unique<ks_filter>(VARIABLES.filters[filter.generation & 1]);
    std::atomic_ref(VARIABLES.active_generation)
        .store(filter.generation, std::memory_order_seq_cst);
    wait_for_programs();

    auto batch = detach_previous_build();
    if (!batch) return batch;
    append(*batch, drain_all());
    return batch;
}

/// What the ring cannot hold at once is given back before it is in the spool, and with it what
/// happened meanwhile: a process that dies amid such a baseline leaves a loss, which its successor
/// tells.
Result<std::vector<events::KeyEvent>> Capture::ask(std::uint32_t mode, std::int32_t keyring,
                                                   Batch& batch) {
    std::vector<events::KeyEvent> found;
    receiver_->baseline = &found;
    const auto done = query_baseline(
        VARIABLES.baseline, mode, keyring, [&] { consume_all(batch); }, [&] { ring_->release(); });
    receiver_->baseline = nullptr;
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<std::vector<events::KeyEvent>> Capture::keyrings(Batch& batch) {
    auto found = ask(KS_BASELINE_NAMED, KEY_SPEC_SESSION_KEYRING, batch);
    if (!found) return found;
    for (const std::int32_t serial : kernel_keyrings()) {
        auto one = members(serial, batch);
        if (!one) return one;
        if (!one->empty()) found->push_back(std::move(one->front()));
    }
    // Of those that the canary needs nothing is recorded.
    const auto& canary = VARIABLES.canary.keys;
    std::erase_if(*found, [&canary](const events::KeyEvent& keyring) {
        return std::ranges::find(canary, keyring.key_serial) != std::end(canary);
    });
    return found;
}

Result<std::vector<events::KeyEvent>> Capture::members(std::int32_t keyring, Batch& batch) {
    // A search by number can overlook it while the kernel turns its tree (key_of_serial()). One
    // that is no keyring any more, and that the daemon may not look at, is not found either.
    constexpr int kLooks = 50;
    auto found = ask(KS_BASELINE_MEMBERS, keyring, batch);
    for (int look = 1; look < kLooks && found && found->empty() && exists(keyring); ++look)
        found = ask(KS_BASELINE_MEMBERS, keyring, batch);
    return found;
}

events::KernelCounters Capture::counters() const {
    events::KernelCounters counters{
        .filtered = load_counter(VARIABLES.counters[KS_COUNT_FILTERED]),
        .numbered = load_counter(VARIABLES.sequence) - accounted_before_,
        .lost = load_counter(VARIABLES.counters[KS_COUNT_LOST]),
        .no_room = load_counter(VARIABLES.counters[KS_COUNT_NO_ROOM])};
    for (const auto& [name, program] : set_.programs) {
        if (name == kBaselineProgram) continue;  // query_baseline() repeats what it skipped
        const std::uint64_t skipped = skipped_runs(program.get());
        if (skipped == 0) continue;
        // Forks and exits are no key operations; most change nothing in what these keep.
        if (name == "exe_inherited" || name == "exe_forgotten") continue;
        counters.missed += skipped;
        const auto operations = operations_of_.find(name);
        counters.missed_of[operations == operations_of_.end() ? name : operations->second] =
            skipped;
    }
    return counters;
}

}  // namespace keyscribe::capture
