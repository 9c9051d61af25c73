// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/pins.h"

#include <bpf/bpf.h>
#include <sys/stat.h>

#include <algorithm>

namespace keyscribe::capture {
namespace {

constexpr std::string_view kProgram = "program_";
constexpr std::string_view kLink = "link_";
/// A folder that is not complete yet. The BPF file system takes no names with dots.
constexpr const char* kUnfinished = "_unfinished";

Result<UniqueFd> get(const std::filesystem::path& file) {
    UniqueFd fd(bpf_obj_get(file.c_str()));
    if (!fd) return fail_errno("cannot open what is pinned", file.string());
    return fd;
}

Result<void> put(int fd, const std::filesystem::path& file) {
    if (bpf_obj_pin(fd, file.c_str()) == 0) return {};
    return fail_errno("cannot pin", file.string(),
                      "the BPF file system has to be mounted and writable");
}

Result<void> pin_all(const PinnedSet& set, const std::filesystem::path& directory) {
    auto done = put(set.about_map.get(), directory / "about");
    if (done) done = put(set.ring.get(), directory / "ring");
    if (done) done = put(set.variables.get(), directory / "variables");
    for (const auto& [name, fd] : set.programs)
        if (done) done = put(fd.get(), directory / (std::string(kProgram) + name));
    for (const auto& [name, fd] : set.links)
        if (done) done = put(fd.get(), directory / (std::string(kLink) + name));
    return done;
}

}  // namespace

Result<UniqueFd> make_about_map(const About& about) {
    UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "keyscribe_about", sizeof(std::uint32_t),
                                sizeof(About), 1, nullptr));
    const std::uint32_t first = 0;
    if (!map || bpf_map_update_elem(map.get(), &first, &about, BPF_ANY) != 0 ||
        bpf_map_freeze(map.get()) != 0)
        return fail_errno("cannot create a map that stays as it is", "bpf(2)");
    return map;
}

Result<PinnedSet> open_pinned(const std::filesystem::path& directory) {
    PinnedSet set;
    set.directory = directory;
    auto about = get(directory / "about");
    if (!about) return std::unexpected(about.error());
    const std::uint32_t first = 0;
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(about->get(), &info, &size) != 0 ||
        info.value_size != sizeof(About) ||
        bpf_map_lookup_elem(about->get(), &first, &set.about) != 0 || set.about.version != 1)
        return fail("what is pinned is of an unknown version", directory.string(),
                    "keyscribe detach removes it");
    auto ring = get(directory / "ring");
    if (!ring) return std::unexpected(ring.error());
    auto variables = get(directory / "variables");
    if (!variables) return std::unexpected(variables.error());
    set.about_map = std::move(*about);
    set.ring = std::move(*ring);
    set.variables = std::move(*variables);

    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
        const std::string name = file.path().filename().string();
        for (const auto& [prefix, to] :
             {std::pair(kProgram, &set.programs), std::pair(kLink, &set.links)}) {
            if (!name.starts_with(prefix)) continue;
            auto fd = get(file.path());
            if (!fd) return std::unexpected(fd.error());
            to->emplace(name.substr(prefix.size()), std::move(*fd));
        }
    }
    if (error) return fail("cannot look at what is pinned: " + error.message(), directory.string());
    return set;
}

Result<void> pin(const PinnedSet& set) {
    const auto unfinished = std::filesystem::path(set.directory) += kUnfinished;
    (void)unpin(unfinished);
    std::error_code error;
    std::filesystem::create_directories(unfinished.parent_path(), error);
    if (::mkdir(unfinished.c_str(), 0700) != 0)
        return fail_errno("cannot create a folder in the BPF file system", unfinished.string(),
                          "it has to be mounted and writable: without it nothing is recorded "
                          "while the daemon does not run");
    auto done = pin_all(set, unfinished);
    if (done && ::rename(unfinished.c_str(), set.directory.c_str()) != 0)
        done = fail_errno("cannot name a folder in the BPF file system", set.directory.string());
    if (!done) (void)unpin(unfinished);
    return done;
}

std::vector<std::filesystem::path> pinned_sets() {
    std::vector<std::filesystem::path> sets;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(kPinDirectory, error))
        if (!entry.path().native().ends_with(kUnfinished)) sets.push_back(entry.path());
    return sets;
}

Result<void> unpin(const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    if (error) return fail("cannot remove what is pinned: " + error.message(), directory.string());
    return {};
}

std::vector<std::string> missing_pins(const PinnedSet& set) {
    std::vector<std::string> missing;
    const auto look = [&](const std::string& name) {
        struct stat status{};
        if (::stat((set.directory / name).c_str(), &status) != 0) missing.push_back(name);
    };
    for (const char* name : {"about", "ring", "variables"}) look(name);
    for (const auto& [name, fd] : set.programs) look(std::string(kProgram) + name);
    for (const auto& [name, fd] : set.links) look(std::string(kLink) + name);
    return missing;
}

}  // namespace keyscribe::capture
