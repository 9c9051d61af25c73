// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/kernel_btf.h"

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <memory>

namespace kernel_btf_test {
namespace {

using keyscribe::capture::KernelBtf;

struct Closer {
    void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, Closer>;

std::string bytes_of(const btf* types) {
    __u32 size = 0;
    const void* bytes = btf__raw_data(types, &size);
    return {static_cast<const char*>(bytes), size};
}

/// A kernel: int (1), unwanted (2), inner (3), pointer to it (4), outer (5), two functions (6:
/// prototype; 7, 8).
Btf kernel() {
    Btf types(btf__new_empty());
    btf* to = types.get();
    btf__add_int(to, "int", 4, BTF_INT_SIGNED);
    btf__add_struct(to, "unwanted", 4);
    btf__add_field(to, "x", 1, 0, 0);
    btf__add_struct(to, "inner", 8);
    btf__add_field(to, "a", 1, 0, 0);
    btf__add_field(to, "bits", 1, 32, 3);
    btf__add_ptr(to, 2);
    btf__add_struct(to, "outer", 16);
    btf__add_field(to, "held", 3, 0, 0);
    btf__add_field(to, "pointed", 4, 64, 0);
    btf__add_func_proto(to, 0);
    btf__add_func(to, "key_link", BTF_FUNC_STATIC, 6);
    btf__add_func(to, "not_key_link", BTF_FUNC_STATIC, 6);
    return types;
}

TEST(KernelBtf, FindsNamesAndFunctions) {
    const auto types = KernelBtf::parse(bytes_of(kernel().get()));
    ASSERT_TRUE(types);
    // "link" is the end of a name, not one.
    EXPECT_EQ(types->names_among({"key_link", "inner", "link", "absent"}),
              (keyscribe::capture::NameSet{"inner", "key_link"}));
    const auto functions = types->functions({"key_link", "not_key_link", "inner"});
    EXPECT_EQ(functions, (std::map<std::string, std::uint32_t, std::less<>>{{"key_link", 7},
                                                                            {"not_key_link", 8}}));
}

TEST(KernelBtf, TypesForProgramsHaveAllTheyHoldAndNothingElse) {
    const auto types = KernelBtf::parse(bytes_of(kernel().get()));
    ASSERT_TRUE(types);
    Btf programs(btf__new_empty());
    btf__add_struct(programs.get(), "outer___other", 8);
    btf__add_struct(programs.get(), "the_programs_own", 8);
    const auto part = types->types_for(programs.get());
    ASSERT_TRUE(part);
    const Btf read(
        btf__parse(("/proc/self/fd/" + std::to_string(part->file.get())).c_str(), nullptr));
    ASSERT_TRUE(read);
    const int outer = btf__find_by_name_kind(read.get(), "outer", BTF_KIND_STRUCT);
    const int inner = btf__find_by_name_kind(read.get(), "inner", BTF_KIND_STRUCT);
    ASSERT_GT(outer, 0);
    ASSERT_GT(inner, 0);
    EXPECT_LT(btf__find_by_name_kind(read.get(), "unwanted", BTF_KIND_STRUCT), 0);
    EXPECT_EQ(part->kernel_ids.at(outer), 5u);
    EXPECT_EQ(part->kernel_ids.at(inner), 3u);
    const btf_type* type = btf__type_by_id(read.get(), inner);
    EXPECT_EQ(btf_member_bit_offset(type, 1), 32u);
    EXPECT_EQ(btf_member_bitfield_size(type, 1), 3u);
    EXPECT_EQ(btf_member_bit_offset(btf__type_by_id(read.get(), outer), 1), 64u);
}

TEST(KernelBtf, EveryCutIsRefusedOrReadSafely) {
    const std::string whole = bytes_of(kernel().get());
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(KernelBtf::parse(whole.substr(0, size))) << size;
    EXPECT_FALSE(KernelBtf::parse(std::string(whole.size(), '\0')));
}

}  // namespace
}  // namespace kernel_btf_test
