// SPDX-License-Identifier: Apache-2.0
#include "controller/capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <openssl/evp.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <thread>

#include "controller/capture/event_decoder.h"
#include "keyscribe.skel.h"

namespace keyscribe::capture {
namespace {

/// Records taken at one go, so that the caller's loop stays responsive.
constexpr std::size_t kBatch = 4096;
constexpr auto kSettleInterval = std::chrono::milliseconds(50);

int log_libbpf(enum libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    char line[1024];
    std::vsnprintf(line, sizeof(line), format, arguments);
    std::string_view text(line);
    while (text.ends_with('\n')) text.remove_suffix(1);
    spdlog::warn("{}", text);
    return 0;
}

/// Waits until every program that was running has returned: they run inside RCU read sections,
/// and MEMBARRIER_CMD_GLOBAL waits for those (kernel/sched/membarrier.c). A kernel booted with
/// nohz_full= does not offer it; there a program, which takes microseconds, gets a second.
void wait_for_programs() {
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
}

Result<void> insert(int map, const ks_keyring_name& name, std::uint64_t rules) {
    if (bpf_map_update_elem(map, &name, &rules, BPF_ANY) == 0) return {};
    return fail_errno("cannot write the policy into the kernel's filter", "bpf(2)");
}

/// Removes all names but those of `generation`.
void keep_only(int map, std::uint32_t generation) {
    std::vector<ks_keyring_name> old;
    ks_keyring_name name;
    const void* previous = nullptr;
    while (bpf_map_get_next_key(map, previous, &name) == 0) {
        if (name.generation != generation) old.push_back(name);
        previous = &name;
    }
    for (const ks_keyring_name& one : old) bpf_map_delete_elem(map, &one);
}

std::uint64_t load(const __u64& counter) {
    return std::atomic_ref(const_cast<__u64&>(counter)).load(std::memory_order_relaxed);
}

}  // namespace

struct Capture::Receiver {
    Batch* batch = nullptr;
    LossTracker* losses = nullptr;
    std::size_t taken = 0;
    std::uint64_t malformed = 0;

    static int receive(void* context, void* data, std::size_t size) {
        auto& self = *static_cast<Receiver*>(context);
        auto event = decode_event({static_cast<const std::byte*>(data), size});
        if (event) {
            self.losses->arrived(event->sequence);
            self.batch->events.push_back(std::move(*event));
        } else {
            ++self.malformed;
            spdlog::error("{}", to_string(event.error()));
        }
        return ++self.taken < kBatch ? 0 : -EAGAIN;
    }
};

void Capture::Closer::operator()(keyscribe_bpf* object) const { keyscribe_bpf__destroy(object); }
void Capture::Closer::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

Capture::Capture() : receiver_(std::make_unique<Receiver>()) {}
Capture::Capture(Capture&&) noexcept = default;
Capture& Capture::operator=(Capture&&) noexcept = default;
Capture::~Capture() = default;

Result<Capture> Capture::attach(const HookPlan& plan, std::uint32_t ring_size) {
    libbpf_set_print(log_libbpf);
    Capture capture;
    capture.ring_size_ = ring_size;
    capture.bpf_.reset(keyscribe_bpf__open());
    if (!capture.bpf_) return fail_errno("cannot open the built-in BPF object", "libbpf");
    bpf_object* object = capture.bpf_->obj;
    bpf_map__set_max_entries(capture.bpf_->maps.ring, ring_size);

    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        bool wanted = false;
        for (const Hook& hook : plan) wanted |= hook.program == bpf_program__name(program);
        bpf_program__set_autoload(program, wanted);
    }
    if (const int error = keyscribe_bpf__load(capture.bpf_.get()); error != 0)
        return fail_errno("the kernel refused the BPF programs", "bpf(2)",
                          "run `keyscribe doctor`; as root, with CAP_BPF and CAP_PERFMON", -error);
    if (const int error = keyscribe_bpf__attach(capture.bpf_.get()); error != 0)
        return fail_errno("cannot attach the BPF programs", plan.front().attach_point,
                          "run `keyscribe doctor`", -error);
    bpf_object__for_each_program(program, object) {
        if (bpf_program__autoload(program)) capture.programs_.push_back(bpf_program__fd(program));
    }

    capture.ring_.reset(ring_buffer__new(bpf_map__fd(capture.bpf_->maps.ring), Receiver::receive,
                                         capture.receiver_.get(), nullptr));
    if (!capture.ring_) return fail_errno("cannot map the ring buffer", "libbpf");
    return capture;
}

int Capture::ring_fd() const { return ring_buffer__epoll_fd(ring_.get()); }

/// True: there may be more in the ring.
Result<bool> Capture::consume(Batch& batch) {
    receiver_->batch = &batch;
    receiver_->losses = &losses_;
    receiver_->taken = 0;
    const int got = ring_buffer__consume(ring_.get());
    if (got < 0 && got != -EAGAIN)
        return fail_errno("cannot read the ring buffer", "libbpf", "", -got);
    malformed_ += receiver_->malformed;
    receiver_->malformed = 0;
    return got == -EAGAIN;
}

/// All that stands in the ring now; what a flood adds meanwhile is left for later.
Result<void> Capture::consume_all(Batch& batch) {
    for (std::size_t bytes = 0; bytes <= ring_size_; bytes += kBatch * sizeof(ks_event)) {
        auto more = consume(batch);
        if (!more) return std::unexpected(more.error());
        if (!*more) return {};
    }
    return {};
}

bool Capture::losses_pending() const {
    return load(bpf_->bss->counters[KS_COUNT_LOST]) + malformed_ != reported_;
}

Result<void> Capture::settle_losses(Batch& batch) {
    const std::uint64_t given_out = load(bpf_->bss->sequence);
    wait_for_programs();
    if (auto done = consume_all(batch); !done) return done;
    for (const Loss& loss : losses_.settle(given_out)) {
        reported_ += loss.last - loss.first + 1;
        batch.losses.push_back(loss);
    }
    settled_at_ = std::chrono::steady_clock::now();
    return {};
}

Result<Batch> Capture::drain() {
    Batch batch;
    if (auto more = consume(batch); !more) return std::unexpected(more.error());
    // Settling waits for the whole machine: not after every record of a flood.
    if (losses_pending() && std::chrono::steady_clock::now() - settled_at_ > kSettleInterval)
        if (auto done = settle_losses(batch); !done) return std::unexpected(done.error());
    return batch;
}

Result<Batch> Capture::activate(const policy::FilterImage& image) {
    const int names = bpf_map__fd(bpf_->maps.keyring_names);
    const std::uint32_t former = bpf_->bss->active_generation;
    const std::uint32_t generation = image.filter.generation;
    for (const auto& [name, rules] : image.names)
        if (auto done = insert(names, name, rules); !done) {
            keep_only(names, former);
            return std::unexpected(done.error());
        }
    bpf_->bss->filters[generation & 1] = image.filter;
    std::atomic_ref(bpf_->bss->active_generation).store(generation, std::memory_order_seq_cst);
    wait_for_programs();
    keep_only(names, generation);

    Batch batch;
    if (auto done = consume_all(batch); !done) return std::unexpected(done.error());
    return batch;
}

KernelCounters Capture::counters() const {
    KernelCounters counters{.filtered = load(bpf_->bss->counters[KS_COUNT_FILTERED]),
                            .numbered = load(bpf_->bss->sequence),
                            .lost = load(bpf_->bss->counters[KS_COUNT_LOST]),
                            .no_room = load(bpf_->bss->counters[KS_COUNT_NO_ROOM])};
    for (const int program : programs_) {
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(program, &info, &size) == 0)
            counters.missed += info.recursion_misses;
    }
    return counters;
}

std::vector<std::uint8_t> object_digest() {
    std::size_t size = 0;
    const void* object = keyscribe_bpf__elf_bytes(&size);
    std::vector<std::uint8_t> digest(32);
    EVP_Digest(object, size, digest.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

}  // namespace keyscribe::capture
