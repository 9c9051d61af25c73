// SPDX-License-Identifier: Apache-2.0
#include "controller/capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <openssl/evp.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "bpf/filter.h"
#include "controller/capture/event_decoder.h"
#include "keyscribe.skel.h"

namespace keyscribe::capture {
namespace {

/// Records taken at one go, so that the caller's loop stays responsive.
constexpr std::size_t kBatch = 4096;
constexpr std::size_t kExecutables = 4096;
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

/// Has the kernel call the baseline program for this key; false: it may not be looked at so.
bool touch(std::int32_t key) {
    char label[256];
    return ::syscall(SYS_keyctl, KEYCTL_GET_SECURITY, key, label, sizeof(label)) >= 0;
}

/// Serials of the keyrings in /proc/keys, the only place that lists the kernel's own. A line:
/// serial in hex, flags, uses, expiry, perm, uid, gid, type, description
/// (proc_keys_show() in security/keys/proc.c).
std::vector<std::int32_t> kernel_keyrings() {
    std::vector<std::int32_t> serials;
    std::ifstream file("/proc/keys");
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        std::string serial, skipped, type, description;
        fields >> serial;
        for (int i = 0; i < 6; ++i) fields >> skipped;
        fields >> type >> description;
        if (type == "keyring" && description.starts_with('.'))
            serials.push_back(static_cast<std::int32_t>(std::strtol(serial.c_str(), nullptr, 16)));
    }
    return serials;
}

std::uint64_t load(const __u64& counter) {
    return std::atomic_ref(const_cast<__u64&>(counter)).load(std::memory_order_relaxed);
}

}  // namespace

struct Capture::Receiver {
    Batch* batch = nullptr;
    std::vector<KeyEvent>* baseline = nullptr;
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::string> executables;
    LossTracker* losses = nullptr;
    std::size_t taken = 0;
    std::uint64_t malformed = 0;

    void take(KeyEvent event) {
        const std::pair executable{event.actor.exe_dev, event.actor.exe_ino};
        if (event.operation == KS_OP_EXECUTABLE) {
            // The programs announce again what they have forgotten; so may this side forget.
            if (executables.size() >= kExecutables) executables.clear();
            executables[executable] = std::move(event.actor.exe);
            return;
        }
        if (const auto found = executables.find(executable); found != executables.end())
            event.actor.exe = found->second;
        if (event.operation == KS_OP_BASELINE) {
            if (baseline != nullptr) baseline->push_back(std::move(event));
            return;
        }
        losses->arrived(event.sequence);
        batch->events.push_back(std::move(event));
    }

    static int receive(void* context, void* data, std::size_t size) {
        auto& self = *static_cast<Receiver*>(context);
        auto event = decode_event({static_cast<const std::byte*>(data), size});
        if (event) {
            self.take(std::move(*event));
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

Result<Batch> Capture::activate(const ks_filter& filter) {
    bpf_->bss->filters[filter.generation & 1] = filter;
    std::atomic_ref(bpf_->bss->active_generation)
        .store(filter.generation, std::memory_order_seq_cst);
    wait_for_programs();

    Batch batch;
    if (auto done = consume_all(batch); !done) return std::unexpected(done.error());
    return batch;
}

/// The program sends as much as the ring takes: it is asked until there is no more.
Result<std::vector<KeyEvent>> Capture::ask(std::uint32_t mode, std::int32_t keyring, Batch& batch) {
    ks_baseline& request = bpf_->bss->baseline;
    std::vector<KeyEvent> found;
    request = {.tgid = static_cast<ks_u32>(::getpid()), .serial = keyring};
    receiver_->baseline = &found;
    Result<void> done;
    do {
        request.start = request.sent;
        request.found = request.more = 0;
        request.mode = mode;
        // Any keyring will do to have the program called, but one without a name has to be asked
        // for itself.
        if (!touch(keyring) && !touch(KEY_SPEC_SESSION_KEYRING) && !touch(KEY_SPEC_USER_KEYRING))
            done = fail_errno("cannot have the kernel look at a keyring", "keyctl(2)");
        request.mode = KS_BASELINE_OFF;
        if (auto consumed = consume_all(batch); !consumed) done = consumed;
    } while (done && request.more != 0);
    receiver_->baseline = nullptr;
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<std::vector<KeyEvent>> Capture::keyrings(Batch& batch) {
    auto found = ask(KS_BASELINE_NAMED, KEY_SPEC_SESSION_KEYRING, batch);
    if (!found) return found;
    for (const std::int32_t serial : kernel_keyrings()) {
        auto one = members(serial, batch);
        if (!one) return one;
        if (!one->empty()) found->push_back(std::move(one->front()));
    }
    return found;
}

Result<std::vector<KeyEvent>> Capture::members(std::int32_t keyring, Batch& batch) {
    return ask(KS_BASELINE_MEMBERS, keyring, batch);
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
