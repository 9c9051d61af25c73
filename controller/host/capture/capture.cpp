// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <openssl/evp.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
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
#include "controller/base/fault_point.h"
#include "controller/host/capture/duplicates.h"
#include "controller/host/capture/event_decoder.h"
#include "keyscribe.skel.h"

namespace keyscribe::capture {
namespace {

/// Records taken at one go: their room in the ring is given back when all of them are in the spool.
constexpr std::size_t kBatch = 512;
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

/// What libbpf does not find in the kernel's BTF it looks for in that of modules, which takes
/// CAP_SYS_ADMIN. Being refused that fails the load, even for a function that may be absent
/// (bpf_rdonly_cast, before Linux 6.2). It asks once for an object: let that be for nothing.
void spare_modules(bpf_object* object) {
    libbpf_set_print(nullptr);
    bpf_program__set_attach_target(bpf_object__next_program(object, nullptr), 0, "keyscribe_none");
    libbpf_set_print(log_libbpf);
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

using Variables = keyscribe_bpf::keyscribe_bpf__bss;

/// Numbers of a new ring begin so far behind those of the one before it: no number comes twice.
constexpr std::uint64_t kNumbersApart = 1u << 20;

struct SkeletonCloser {
    void operator()(keyscribe_bpf* object) const { keyscribe_bpf__destroy(object); }
};

using Skeleton = std::unique_ptr<keyscribe_bpf, SkeletonCloser>;

/// The programs of the plan, not attached; numbers begin behind `first`.
Result<Skeleton> load_object(const HookPlan& plan, std::uint32_t ring_size, std::uint64_t first) {
    libbpf_set_print(log_libbpf);
    Skeleton bpf(keyscribe_bpf__open());
    if (!bpf) return fail_errno("cannot open the built-in BPF object", "libbpf");
    bpf_map__set_max_entries(bpf->maps.ring, ring_size);
    bpf->bss->sequence = first;

    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, bpf->obj) {
        bool wanted = false;
        for (const Hook& hook : plan) wanted |= hook.program == bpf_program__name(program);
        bpf_program__set_autoload(program, wanted);
    }
    spare_modules(bpf->obj);
    if (const int error = keyscribe_bpf__load(bpf.get()); error != 0)
        return fail_errno("the kernel refused the BPF programs", "bpf(2)",
                          "run `keyscribe doctor`; as root, with CAP_BPF and CAP_PERFMON", -error);
    return bpf;
}

UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

std::uint32_t map_id(int fd) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

/// What the programs are: those with the same name are the same.
std::filesystem::path directory_of(const HookPlan& plan, std::uint32_t ring_size) {
    std::string what(reinterpret_cast<const char*>(object_digest().data()), 32);
    for (const Hook& hook : plan) what += '\n' + hook.program;
    what += '\n' + std::to_string(ring_size);
    std::array<unsigned char, 32> digest;
    EVP_Digest(what.data(), what.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    std::string name;
    for (int i = 0; i < 8; ++i) {
        char hex[3];
        std::snprintf(hex, sizeof(hex), "%02x", digest[i]);
        name += hex;
    }
    return std::filesystem::path(kPinDirectory) / name;
}

/// One of the variables of programs whose build is another one.
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
/// was told.
std::vector<events::KeyEvent> events_of(RingReader& ring, std::uint32_t id, std::size_t most) {
    std::vector<events::KeyEvent> events;
    while (events.size() < most) {
        const auto record = ring.next();
        if (!record) break;
        auto event = decode_event(*record);
        if (!event || event->operation == KS_OP_EXECUTABLE || event->operation == KS_OP_BASELINE)
            continue;
        event->ring = id;
        event->ring_position = ring.position();
        event->generation = 0;
        events.push_back(std::move(*event));
    }
    return events;
}

std::uint64_t load_counter(const __u64& counter) {
    return std::atomic_ref(const_cast<__u64&>(counter)).load(std::memory_order_relaxed);
}

}  // namespace

struct Capture::Receiver {
    Batch* batch = nullptr;
    std::vector<events::KeyEvent>* baseline = nullptr;
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::string> executables;
    events::LossTracker* losses = nullptr;

    void take(events::KeyEvent event) {
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
};

void Capture::Unmap::operator()(void* memory) const { ::munmap(memory, size); }

Capture::Capture() : variables_(nullptr, Unmap{0}), receiver_(std::make_unique<Receiver>()) {}
Capture::Capture(Capture&&) noexcept = default;
Capture& Capture::operator=(Capture&&) noexcept = default;
Capture::~Capture() = default;

#define VARIABLES (*static_cast<Variables*>(variables_.get()))

/// Loads and attaches; the object itself is not needed any more then.
Result<void> Capture::load(const HookPlan& plan, std::uint32_t ring_size, const Keep& keep) {
    std::uint64_t first = 0;
    for (const PinnedSet& former : former_)
        first = std::max(first, variable(former, former.about.sequence) + kNumbersApart);
    // Not while the new ones are attached: what both record is compared in the end.
    std::jthread reader;
    if (keep && has_former())
        reader = std::jthread([&](const std::stop_token& stop) { keep_former(keep, stop); });
    const auto bpf = load_object(plan, ring_size, first);
    reader = {};
    if (!bpf) return std::unexpected(bpf.error());
    return attach_object(**bpf, ring_size, first);
}

Result<void> Capture::attach_object(const keyscribe_bpf& bpf, std::uint32_t ring_size,
                                    std::uint64_t first) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, bpf.obj) {
        if (!bpf_program__autoload(program)) continue;
        bpf_link* link = bpf_program__attach(program);
        if (link == nullptr)
            return fail_errno("cannot attach the BPF programs", bpf_program__section_name(program),
                              "run `keyscribe doctor`");
        const std::string name = bpf_program__name(program);
        set_.links.emplace(name, duplicate(bpf_link__fd(link)));
        set_.programs.emplace(name, duplicate(bpf_program__fd(program)));
        bpf_link__destroy(link);
    }
    set_.ring = duplicate(bpf_map__fd(bpf.maps.ring));
    set_.variables = duplicate(bpf_map__fd(bpf.maps.bss));
    set_.about = {.event_version = KS_EVENT_VERSION,
                  .ring_size = ring_size,
                  .variables_size = sizeof(Variables),
                  .sequence = offsetof(Variables, sequence),
                  .lost = offsetof(Variables, counters) + KS_COUNT_LOST * sizeof(__u64),
                  .first = first};
    auto about = make_about_map(set_.about);
    if (!about) return std::unexpected(about.error());
    set_.about_map = std::move(*about);
    losses_ = events::LossTracker(first);
    accounted_before_ = first - kept_;
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

/// Sets of other builds, and of this one what is not complete.
void Capture::find_former(const std::filesystem::path& own) {
    for (const auto& directory : pinned_sets()) {
        if (directory == own) continue;
        auto set = open_pinned(directory);
        if (set && set->about.event_version == KS_EVENT_VERSION) {
            former_.push_back(std::move(*set));
            continue;
        }
        findings_.push_back(
            "programs of another build could not be taken over: " +
            (set ? "their records are of another version" : to_string(set.error())));
        (void)unpin(directory);
    }
}

/// Until it is told to stop. The rest, and what is lost, is found when they are retired. One ring
/// can be read so, the one that the former process read: progress is of one.
void Capture::keep_former(const Keep& keep, std::stop_token stop) {
    constexpr auto kNap = std::chrono::milliseconds(5);
    for (const PinnedSet& former : former_) {
        const std::uint32_t id = map_id(former.ring.get());
        if (progress_.ring != 0 && progress_.ring != id) continue;
        auto ring = RingReader::open(former.ring.get(), former.about.ring_size);
        if (!ring) return;
        if (progress_.ring == id) ring->skip_to(progress_.position);
        while (!stop.stop_requested()) {
            auto events = events_of(*ring, id, kBatch);
            const bool none = events.empty();
            kept_ += events.size();
            if (!none) progress_ = keep(std::move(events));
            fault_point("before-former-release");
            ring->release();
            if (none) std::this_thread::sleep_for(kNap);
        }
        return;
    }
}

/// Numbers that were given out and neither received nor reported are lost, unless they still stand
/// in the ring. Which ones exactly, only the former process knew.
void Capture::account_for_former(const spool::Progress& progress) {
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

Result<Capture> Capture::attach(const HookPlan& plan, std::uint32_t ring_size,
                                const spool::Progress& progress, const Keep& keep) {
    Capture capture;
    capture.progress_ = progress;
    const auto directory = directory_of(plan, ring_size);
    std::error_code error;
    if (std::filesystem::exists(directory, error)) {
        auto set = open_pinned(directory);
        for (const Hook& hook : plan)
            if (set && !set->links.contains(hook.program))
                set = fail("the link of " + hook.program + " is missing", directory.string());
        if (set && set->about.variables_size == sizeof(Variables)) {
            capture.set_ = std::move(*set);
            capture.adopted_ = capture.pinned_ = true;
        } else {
            capture.findings_.push_back(
                "the programs that a former process left are not complete: " +
                to_string(set ? Error{"other variables"} : set.error()));
            // What they recorded is still worth having.
            const auto aside = std::filesystem::path(directory) += "_incomplete";
            if (::rename(directory.c_str(), aside.c_str()) != 0) (void)unpin(directory);
        }
    }
    capture.find_former(directory);
    if (!capture.adopted_) {
        if (auto done = capture.load(plan, ring_size, keep); !done)
            return std::unexpected(done.error());
        capture.set_.directory = directory;
    }
    const std::uint32_t ring = map_id(capture.set_.ring.get());
    if (auto done = capture.open_maps(progress.ring == ring ? progress.position : 0); !done)
        return std::unexpected(done.error());
    if (capture.adopted_) {
        // This process has to be told of every executable again.
        auto& variables = *static_cast<Variables*>(capture.variables_.get());
        variables.baseline.mode = KS_BASELINE_OFF;
        std::memset(variables.executables, 0, sizeof(variables.executables));
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
    for (std::size_t taken = 0; taken < kBatch; ++taken) {
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
    for (std::size_t bytes = 0; bytes <= set_.about.ring_size; bytes += kBatch * sizeof(ks_event))
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

/// What the programs of other builds recorded until they are detached.
Result<void> Capture::detach_former(Batch& batch) {
    for (PinnedSet& former : former_) {
        const std::uint32_t id = map_id(former.ring.get());
        // Where numbers of our own ring are in the spool, those of the former one are as well.
        const bool done_before = progress_.ring == ring_id_;
        for (const auto& [name, fd] : former.links)
            ::unlink((former.directory / ("link_" + name)).c_str());
        former.links.clear();
        wait_for_programs();
        auto ring = RingReader::open(former.ring.get(), former.about.ring_size);
        if (!ring) return std::unexpected(ring.error());
        if (progress_.ring == id) ring->skip_to(progress_.position);
        events::LossTracker losses(progress_.ring == id ? progress_.settled : former.about.first);
        std::uint64_t received = progress_.ring == id ? progress_.received : 0;
        const std::uint64_t reported = progress_.ring == id ? progress_.reported : 0;
        if (!done_before) {
            auto events = events_of(*ring, id, SIZE_MAX);
            received += events.size();
            batch.events.insert(batch.events.end(), std::make_move_iterator(events.begin()),
                                std::make_move_iterator(events.end()));
        }
        const std::uint64_t given_out = variable(former, former.about.sequence);
        const std::uint64_t known = former.about.first + received + reported;
        if (!done_before && given_out > known)
            batch.losses.push_back(
                {.first = losses.settled() + 1, .last = given_out, .count = given_out - known});
    }
    return {};
}

Result<Batch> Capture::retire_former() {
    Batch batch;
    if (former_.empty()) return batch;
    if (auto done = detach_former(batch); !done) return std::unexpected(done.error());
    Batch own = drain_all();
    batch.twice = drop_duplicates(batch.events, own.events);
    spdlog::info(
        "programs of another build are retired: {} of their records were read while these loaded, "
        "{} were still to be read, {} came twice",
        kept_, batch.events.size(), batch.twice);
    // What is taken over counts as numbered here, what came twice once.
    accounted_before_ += batch.twice;
    accounted_before_ -= batch.events.size();
    for (const events::Loss& loss : batch.losses) accounted_before_ -= loss.lost();
    batch.losses.insert(batch.losses.end(), own.losses.begin(), own.losses.end());
    batch.events.insert(batch.events.end(), std::make_move_iterator(own.events.begin()),
                        std::make_move_iterator(own.events.end()));
    return batch;
}

void Capture::forget_former() {
    for (const PinnedSet& former : former_) (void)unpin(former.directory);
    former_.clear();
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
    std::atomic_ref(VARIABLES.active_generation)
        .store(filter.generation, std::memory_order_seq_cst);
    wait_for_programs();

    auto batch = retire_former();
    if (!batch) return batch;
    auto rest = drain_all();
    batch->events.insert(batch->events.end(), std::make_move_iterator(rest.events.begin()),
                         std::make_move_iterator(rest.events.end()));
    batch->losses.insert(batch->losses.end(), rest.losses.begin(), rest.losses.end());
    return batch;
}

/// The program sends as much as the ring takes: it is asked until there is no more. What the ring
/// cannot hold at once is given back before it is in the spool, and with it what happened
/// meanwhile: a process that dies in the midst of such a baseline leaves a loss, which its
/// successor tells.
Result<std::vector<events::KeyEvent>> Capture::ask(std::uint32_t mode, std::int32_t keyring,
                                                   Batch& batch) {
    ks_baseline& request = VARIABLES.baseline;
    // Makes the kernel keep a keyring of users' keyrings, where the programs begin to look for
    // keys.
    (void)touch(KEY_SPEC_USER_KEYRING);
    std::vector<events::KeyEvent> found;
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
        consume_all(batch);
        if (request.more != 0) ring_->release();
    } while (done && request.more != 0);
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
    return found;
}

Result<std::vector<events::KeyEvent>> Capture::members(std::int32_t keyring, Batch& batch) {
    return ask(KS_BASELINE_MEMBERS, keyring, batch);
}

KernelCounters Capture::counters() const {
    KernelCounters counters{.filtered = load_counter(VARIABLES.counters[KS_COUNT_FILTERED]),
                            .numbered = load_counter(VARIABLES.sequence) - accounted_before_,
                            .lost = load_counter(VARIABLES.counters[KS_COUNT_LOST]),
                            .no_room = load_counter(VARIABLES.counters[KS_COUNT_NO_ROOM])};
    for (const auto& [name, program] : set_.programs) {
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0 || info.recursion_misses == 0)
            continue;
        counters.missed += info.recursion_misses;
        counters.missed_of[name] = info.recursion_misses;
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
