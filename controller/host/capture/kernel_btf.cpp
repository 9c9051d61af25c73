// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/kernel_btf.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bitset>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <unordered_set>

namespace keyscribe::capture {
namespace {

constexpr const char* kKernelTypes = "/sys/kernel/btf/vmlinux";

struct BtfCloser {
    void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, BtfCloser>;

/// How many bytes follow the type's head (Documentation/bpf/btf.rst).
std::size_t tail_of(const btf_type& type) {
    const std::size_t count = btf_vlen(&type);
    switch (btf_kind(&type)) {
        case BTF_KIND_INT:
            return sizeof(std::uint32_t);
        case BTF_KIND_ARRAY:
            return sizeof(struct btf_array);
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
            return count * sizeof(btf_member);
        case BTF_KIND_ENUM:
            return count * sizeof(struct btf_enum);
        case BTF_KIND_ENUM64:
            return count * sizeof(struct btf_enum64);
        case BTF_KIND_FUNC_PROTO:
            return count * sizeof(btf_param);
        case BTF_KIND_VAR:
            return sizeof(struct btf_var);
        case BTF_KIND_DATASEC:
            return count * sizeof(btf_var_secinfo);
        case BTF_KIND_DECL_TAG:
            return sizeof(struct btf_decl_tag);
        default:
            return 0;
    }
}

/// Calls `visit(id, type)` for each.
template <class Visit>
void each_type(std::string_view types, Visit visit) {
    std::uint32_t id = 0;
    for (std::size_t at = 0; at + sizeof(btf_type) <= types.size();) {
        const auto& type = *reinterpret_cast<const btf_type*>(types.data() + at);
        at += sizeof(btf_type) + tail_of(type);
        if (at > types.size()) return;
        visit(++id, type);
    }
}

/// Where in the string section each of the names stands that is there; of a whole name, not of
/// another's end.
std::map<std::string, std::uint32_t, std::less<>> offsets_of(std::string_view strings,
                                                             const NameSet& wanted) {
    std::map<std::string, std::uint32_t, std::less<>> offsets;
    const std::unordered_set<std::string_view> quick(wanted.begin(), wanted.end());
    // A hash of each of the kernel's 100,000 names costs more than all else here.
    const auto outline = [](std::string_view name) {
        return (name.size() & 255) << 8 | static_cast<unsigned char>(name.empty() ? 0 : name[0]);
    };
    std::bitset<65536> outlines;
    for (const std::string& name : wanted) outlines.set(outline(name));
    for (std::size_t at = 0; at < strings.size();) {
        const void* found = std::memchr(strings.data() + at, 0, strings.size() - at);
        if (found == nullptr) break;
        const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - strings.data());
        const std::string_view here = strings.substr(at, end - at);
        if (outlines.test(outline(here)))
            if (const auto name = quick.find(here); name != quick.end())
                offsets.emplace(*name, static_cast<std::uint32_t>(at));
        at = end + 1;
    }
    return offsets;
}

/// "kernfs_node___rcu" is another form of the kernel's kernfs_node.
std::string without_flavor(std::string_view name) {
    return std::string(name.substr(0, name.find("___")));
}

bool has_members(const btf_type& type) {
    return btf_kind(&type) == BTF_KIND_STRUCT || btf_kind(&type) == BTF_KIND_UNION;
}

/// Copies types, and what they hold.
class Copy {
  public:
    explicit Copy(std::string_view types, std::string_view strings) : strings_(strings) {
        each_type(types, [&](std::uint32_t, const btf_type& type) { types_.push_back(&type); });
    }

    /// Returns its id in the copy; negative: an error.
    int add(std::uint32_t id) {
        if (id == 0 || id >= types_.size()) return 0;
        const btf_type& type = *types_[id];
        if (const auto known = ids_.find(id); known != ids_.end()) return known->second;
        const int copied = add_new(type);
        ids_.emplace(id, copied);
        return copied;
    }

    int add_typedef(const btf_type& type) {
        const int target = add(type.type);
        return target < 0 ? target : btf__add_typedef(copy_.get(), name(type.name_off), target);
    }

    const btf* get() const { return copy_.get(); }
    std::vector<std::uint32_t> kernel_ids() const {
        std::vector<std::uint32_t> kernel(btf__type_cnt(copy_.get()));
        for (const auto& [id, copied] : ids_)
            if (copied > 0 && has_members(*types_[id])) kernel[copied] = id;
        return kernel;
    }
    const std::vector<const btf_type*>& types() const { return types_; }

  private:
    const char* name(std::uint32_t offset) const {
        return offset < strings_.size() ? strings_.data() + offset : "";
    }

    int add_new(const btf_type& type) {
        btf* copy = copy_.get();
        switch (btf_kind(&type)) {
            case BTF_KIND_INT:
                return btf__add_int(copy, name(type.name_off), type.size, btf_int_encoding(&type));
            case BTF_KIND_FLOAT:
                return btf__add_float(copy, name(type.name_off), type.size);
            case BTF_KIND_ENUM:
            case BTF_KIND_ENUM64:
                return btf__add_enum(copy, name(type.name_off), type.size);
            case BTF_KIND_PTR:
                return btf__add_ptr(copy, 0);
            case BTF_KIND_ARRAY: {
                const struct btf_array& array = *btf_array(&type);
                const int index = add(array.index_type), element = add(array.type);
                return index < 0 || element < 0
                           ? -1
                           : btf__add_array(copy, index, element, array.nelems);
            }
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                return add_members(type);
            case BTF_KIND_TYPEDEF:
            case BTF_KIND_CONST:
            case BTF_KIND_VOLATILE:
            case BTF_KIND_RESTRICT:
            case BTF_KIND_TYPE_TAG:
                return add(type.type);
            default:
                return 0;
        }
    }

    /// A struct's members follow it at once: what they hold comes before.
    int add_members(const btf_type& type) {
        const btf_member* members = btf_members(&type);
        std::vector<int> held(btf_vlen(&type));
        for (std::size_t i = 0; i < held.size(); ++i)
            if (held[i] = add(members[i].type); held[i] < 0) return held[i];
        const bool is_struct = btf_kind(&type) == BTF_KIND_STRUCT;
        const int id = is_struct ? btf__add_struct(copy_.get(), name(type.name_off), type.size)
                                 : btf__add_union(copy_.get(), name(type.name_off), type.size);
        for (std::size_t i = 0; i < held.size() && id > 0; ++i)
            if (const int done = btf__add_field(copy_.get(), name(members[i].name_off), held[i],
                                                btf_member_bit_offset(&type, i),
                                                btf_member_bitfield_size(&type, i));
                done != 0)
                return done;
        return id;
    }

    std::string_view strings_;
    std::vector<const btf_type*> types_ = {nullptr};  // by id
    std::unordered_map<std::uint32_t, int> ids_;
    Btf copy_{btf__new_empty()};
};

Result<UniqueFd> as_file(const btf* types) {
    __u32 size = 0;
    const void* bytes = btf__raw_data(types, &size);
    UniqueFd file(::memfd_create("keyscribe-btf", MFD_CLOEXEC));
    if (bytes == nullptr || !file || ::write(file.get(), bytes, size) != static_cast<ssize_t>(size))
        return fail_errno("cannot keep the types that the programs read", "memfd_create(2)");
    return file;
}

}  // namespace

Result<KernelBtf> KernelBtf::read() {
    UniqueFd fd(::open(kKernelTypes, O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("cannot open", kKernelTypes);
    struct stat about;
    if (::fstat(fd.get(), &about) != 0) return fail_errno("cannot look at", kKernelTypes);
    std::string content(static_cast<std::size_t>(about.st_size), '\0');
    for (std::size_t at = 0; at < content.size();) {
        const ssize_t got = ::read(fd.get(), content.data() + at, content.size() - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("cannot read", kKernelTypes);
        if (got == 0) return fail("shorter than its size", kKernelTypes);
        at += static_cast<std::size_t>(got);
    }
    return parse(std::move(content));
}

Result<KernelBtf> KernelBtf::parse(std::string btf) {
    btf_header header;
    if (btf.size() < sizeof(header)) return fail("too short for BTF", kKernelTypes);
    std::memcpy(&header, btf.data(), sizeof(header));
    if (header.magic != BTF_MAGIC)
        return fail("not BTF of this machine's byte order", kKernelTypes);
    KernelBtf read;
    read.bytes_ = std::move(btf);
    const std::string_view bytes = read.bytes_;
    const auto section = [&](std::uint32_t offset, std::uint32_t size) {
        const std::size_t start = std::size_t{header.hdr_len} + offset;
        return start > bytes.size() || size > bytes.size() - start ? std::string_view()
                                                                   : bytes.substr(start, size);
    };
    read.types_ = section(header.type_off, header.type_len);
    read.strings_ = section(header.str_off, header.str_len);
    if (read.strings_.empty() || read.strings_.back() != '\0' ||
        read.types_.size() != header.type_len)
        return fail("BTF whose sections lie outside of it", kKernelTypes);
    return read;
}

NameSet KernelBtf::names_among(const NameSet& wanted) const {
    NameSet found;
    for (const auto& [name, offset] : offsets_of(strings_, wanted)) found.insert(name);
    return found;
}

std::map<std::string, std::uint32_t, std::less<>> KernelBtf::functions(
    const NameSet& wanted) const {
    std::unordered_map<std::uint32_t, std::string> names;
    for (const auto& [name, offset] : offsets_of(strings_, wanted)) names.emplace(offset, name);
    std::map<std::string, std::uint32_t, std::less<>> ids;
    each_type(types_, [&](std::uint32_t id, const btf_type& type) {
        if (btf_kind(&type) != BTF_KIND_FUNC) return;
        if (const auto name = names.find(type.name_off); name != names.end())
            ids.emplace(name->second, id);
    });
    return ids;
}

Result<ProgramTypes> KernelBtf::types_for(const btf* programs) const {
    NameSet wanted;
    for (std::uint32_t id = 1; id < btf__type_cnt(programs); ++id) {
        const btf_type& type = *btf__type_by_id(programs, id);
        if (type.name_off != 0 && (has_members(type) || btf_kind(&type) == BTF_KIND_TYPEDEF))
            wanted.insert(without_flavor(btf__name_by_offset(programs, type.name_off)));
    }
    std::set<std::uint32_t> names;
    for (const auto& [name, offset] : offsets_of(strings_, wanted)) names.insert(offset);
    Copy copy(types_, strings_);
    for (std::uint32_t id = 1; id < copy.types().size(); ++id) {
        const btf_type& type = *copy.types()[id];
        const bool is_typedef = btf_kind(&type) == BTF_KIND_TYPEDEF;
        if ((!is_typedef && !has_members(type)) || !names.contains(type.name_off)) continue;
        if ((is_typedef ? copy.add_typedef(type) : copy.add(id)) < 0)
            return fail("cannot copy the kernel's types", kKernelTypes);
    }
    auto file = as_file(copy.get());
    if (!file) return std::unexpected(file.error());
    return ProgramTypes{std::move(*file), copy.kernel_ids()};
}

}  // namespace keyscribe::capture
