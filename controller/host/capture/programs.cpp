// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <thread>

#include "controller/base/digest.h"
#include "controller/base/siphash.h"
#include "controller/host/capture/capture.h"
#include "controller/host/capture/kernel_btf.h"
#include "controller/host/capture/libbpf_message.h"
#include "controller/host/capture/variables.h"
#include "keyscribe.digest.h"

namespace keyscribe::capture {
namespace {

/// libbpf has one callback for the whole process.
std::vector<std::string> messages;

int take_message(enum libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_DEBUG) messages.push_back(libbpf_message(format, arguments));
    return 0;
}

/// libbpf looks for a function that the kernel's BTF lacks (bpf_rdonly_cast, before Linux 6.2) in
/// the BTF of modules, which takes CAP_SYS_ADMIN, and fails the load without it. It opens them at
/// most once an object: trigger that attempt early, with a name that does not exist, where failing
/// does no harm.
void skip_module_btf(bpf_object* object) {
    libbpf_set_print(nullptr);
    bpf_program__set_attach_target(bpf_object__next_program(object, nullptr), 0, "keyscribe_none");
    libbpf_set_print(take_message);
}

/// What libbpf's own handlers of these sections would search the kernel's types for, once for each
/// program: those that take their place here know it already.
struct Lookups {
    std::map<std::string, std::uint32_t, std::less<>> functions;
    std::vector<std::uint32_t> types;  // ProgramTypes::kernel_ids
} lookups;

std::string function_of(const bpf_program* program) {
    const std::string_view section = bpf_program__section_name(program);
    const std::string_view name = section.substr(section.find('/') + 1);
    return (section.starts_with("lsm/") ? "bpf_lsm_" : "") + std::string(name);
}

/// bpf_core_type_id_kernel() has become an id of the types that libbpf was given. It is the only
/// constant for which clang takes two instructions though it would fit into one.
void correct_type_ids(bpf_program* program) {
    const bpf_insn* first = bpf_program__insns(program);
    std::vector<bpf_insn> code(first, first + bpf_program__insn_cnt(program));
    for (std::size_t i = 0; i + 1 < code.size(); ++i) {
        if (code[i].code != (BPF_LD | BPF_IMM | BPF_DW)) continue;
        const auto id = static_cast<std::uint32_t>(code[i].imm);
        if (code[i].src_reg == 0 && code[i + 1].imm == 0 && id < lookups.types.size())
            code[i].imm = static_cast<std::int32_t>(lookups.types[id]);
        ++i;
    }
    bpf_program__set_insns(program, code.data(), code.size());
}

int prepare_load(bpf_program* program, bpf_prog_load_opts* options, long) {
    const auto id = lookups.functions.find(function_of(program));
    if (id == lookups.functions.end()) return -ESRCH;
    options->attach_btf_id = id->second;
    correct_type_ids(program);
    return 0;
}

void register_handlers() {
    static const bool done = [] {
        LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = prepare_load);
        libbpf_register_prog_handler("fentry/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, &options);
        libbpf_register_prog_handler("fexit/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, &options);
        libbpf_register_prog_handler("lsm/", BPF_PROG_TYPE_LSM, BPF_LSM_MAC, &options);
        return true;
    }();
    (void)done;
}

/// As bpf/CMakeLists.txt took it.
constexpr std::uint8_t kObjectDigest[32] = KEYSCRIBE_OBJECT_SHA256;

struct SkeletonCloser {
    void operator()(keyscribe_bpf* object) const { keyscribe_bpf__destroy(object); }
};

using Skeleton = std::unique_ptr<keyscribe_bpf, SkeletonCloser>;

/// The programs of the plan, not attached; numbers begin behind `first`.
Result<Skeleton> load_object(const HookPlan& plan, const KernelBtf& kernel, std::uint32_t ring_size,
                             std::uint64_t first) {
    libbpf_set_print(take_message);
    register_handlers();
    // The first one says which types the programs read, the second one is given these alone.
    Skeleton bpf(keyscribe_bpf__open());
    if (!bpf) return fail_errno("cannot open the built-in BPF object", "libbpf");
    const auto types = kernel.types_for(bpf_object__btf(bpf->obj));
    if (!types) return std::unexpected(types.error());
    const std::string path = "/proc/self/fd/" + std::to_string(types->file.get());
    LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = path.c_str());
    bpf.reset(keyscribe_bpf__open_opts(&options));
    if (!bpf) return fail_errno("cannot open the built-in BPF object", "libbpf");
    NameSet functions;
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, bpf->obj) functions.insert(function_of(each));
    lookups = {kernel.functions(functions), types->kernel_ids};
    bpf_map__set_max_entries(bpf->maps.ring, ring_size);
    bpf->bss->sequence = first;

    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, bpf->obj) {
        bool wanted = false;
        for (const Hook& hook : plan) wanted |= hook.program == bpf_program__name(program);
        bpf_program__set_autoload(program, wanted);
    }
    skip_module_btf(bpf->obj);
    if (const int error = keyscribe_bpf__load(bpf.get()); error != 0)
        return fail_errno("the kernel refused the BPF programs", "bpf(2)",
                          "run `keyscribe doctor`; as root, with CAP_BPF and CAP_PERFMON", -error);
    return bpf;
}

UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

Result<PinnedSet> attach_object(const keyscribe_bpf& bpf, std::uint32_t ring_size,
                                std::uint64_t first, std::vector<std::string>& warnings) {
    PinnedSet set;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, bpf.obj) {
        if (!bpf_program__autoload(program)) continue;
        bpf_link* link = bpf_program__type(program) == BPF_PROG_TYPE_LSM
                             ? bpf_program__attach_lsm(program)
                             : bpf_program__attach_trace(program);
        if (link == nullptr)
            return fail_errno("cannot attach the BPF programs", bpf_program__section_name(program),
                              "run `keyscribe doctor`");
        const std::string name = bpf_program__name(program);
        set.links.emplace(name, duplicate(bpf_link__fd(link)));
        set.programs.emplace(name, duplicate(bpf_program__fd(program)));
        bpf_link__destroy(link);
    }
    // The programs alone write to it.
    if (bpf_map_freeze(bpf_map__fd(bpf.maps.replaced)) != 0)
        warnings.emplace_back("cannot freeze the map of executables that were replaced");
    set.ring = duplicate(bpf_map__fd(bpf.maps.ring));
    set.variables = duplicate(bpf_map__fd(bpf.maps.bss));
    set.about = {.event_version = KS_EVENT_VERSION,
                 .ring_size = ring_size,
                 .variables_size = sizeof(Variables),
                 .sequence = offsetof(Variables, sequence),
                 .lost = offsetof(Variables, counters) + KS_COUNT_LOST * sizeof(__u64),
                 .first = first};
    auto about = make_about_map(set.about);
    if (!about) return std::unexpected(about.error());
    set.about_map = std::move(*about);
    return set;
}

}  // namespace

/// They run inside RCU read sections, and MEMBARRIER_CMD_GLOBAL waits for those
/// (kernel/sched/membarrier.c). A kernel booted with nohz_full= does not offer it; there a program,
/// which takes microseconds, gets a second.
void wait_for_programs() {
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
}

std::uint32_t map_id(int fd) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

std::uint64_t skipped_runs(int fd) {
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.recursion_misses : 0;
}

std::vector<std::string> wrong_links(const PinnedSet& set) {
    std::vector<std::string> wrong;
    for (const auto& [name, link] : set.links) {
        bpf_prog_info program{};
        bpf_link_info info{};
        __u32 program_size = sizeof(program), size = sizeof(info);
        const auto fd = set.programs.find(name);
        if (fd == set.programs.end() ||
            bpf_obj_get_info_by_fd(fd->second.get(), &program, &program_size) != 0 ||
            bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0 ||
            info.type != BPF_LINK_TYPE_TRACING || info.prog_id != program.id)
            wrong.push_back(name);
    }
    return wrong;
}

/// What the programs are: those with the same name are the same.
std::filesystem::path pin_directory_of(const HookPlan& plan, std::uint32_t ring_size) {
    std::string rest;
    for (const Hook& hook : plan) rest += hook.program + '\n';
    rest += std::to_string(ring_size);
    SipKey key;
    static_assert(sizeof(key) <= sizeof(kObjectDigest));
    std::memcpy(key.data(), kObjectDigest, sizeof(key));
    char name[17];
    const std::uint64_t hash = siphash(key, as_bytes(rest));
    std::snprintf(name, sizeof(name), "%016llx", static_cast<unsigned long long>(hash));
    return std::filesystem::path(kPinDirectory) / name;
}

std::optional<PinnedSet> adopt_programs(const std::filesystem::path& directory,
                                        const HookPlan& plan, std::vector<std::string>& findings) {
    std::error_code error;
    if (!std::filesystem::exists(directory, error)) return std::nullopt;
    auto set = open_pinned(directory);
    for (const Hook& hook : plan)
        if (set && !set->links.contains(hook.program))
            set = fail("the link of " + hook.program + " is missing", directory.string());
    if (set)
        if (const auto wrong = wrong_links(*set); !wrong.empty())
            set = fail("the link of " + wrong.front() + " is another", directory.string());
    if (set && set->about.variables_size == sizeof(Variables)) return std::move(*set);
    findings.push_back("the programs that a former process left are not complete: " +
                       to_string(set ? Error{"other variables"} : set.error()));
    // What they recorded is still worth having.
    const auto aside = std::filesystem::path(directory) += "_incomplete";
    if (::rename(directory.c_str(), aside.c_str()) != 0) (void)unpin(directory);
    return std::nullopt;
}

Result<PinnedSet> load_programs(const HookPlan& plan, const KernelBtf& kernel,
                                std::uint32_t ring_size, std::uint64_t first,
                                const std::function<void()>& loaded,
                                std::vector<std::string>& warnings) {
    const auto bpf = load_object(plan, kernel, ring_size, first);
    if (loaded) loaded();
    Result<PinnedSet> set =
        bpf ? attach_object(**bpf, ring_size, first, warnings) : std::unexpected(bpf.error());
    libbpf_set_print(nullptr);
    warnings.insert(warnings.end(), messages.begin(), messages.end());
    messages.clear();
    return set;
}

std::vector<std::uint8_t> object_digest() {
    return {std::begin(kObjectDigest), std::end(kObjectDigest)};
}

}  // namespace keyscribe::capture
