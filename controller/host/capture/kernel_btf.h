// SPDX-License-Identifier: Apache-2.0
// The kernel's type information (BTF): 130,000 types. What libbpf looks up there it searches from
// one end to the other, once for each program and each type: here it is walked through once for all
// of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"

struct btf;

namespace keyscribe::capture {

using NameSet = std::set<std::string, std::less<>>;

/// A part of the kernel's types.
struct ProgramTypes {
    UniqueFd file;  ///< BTF
    std::vector<std::uint32_t>
        kernel_ids;  ///< by a type's id there: its id in the kernel; 0: not known
};

class KernelBtf {
  public:
    /// Reads /sys/kernel/btf/vmlinux. Error: it is not there, or is none.
    static Result<KernelBtf> read();
    /// `btf`: its bytes. Error: they are none of this machine's byte order, or end too early.
    static Result<KernelBtf> parse(std::string btf);

    /// Returns those of `wanted` that are a name of anything.
    NameSet names_among(const NameSet& wanted) const;
    /// Returns the type ids of the functions.
    std::map<std::string, std::uint32_t, std::less<>> functions(const NameSet& wanted) const;
    /// Returns the structs, unions and typedefs that have a name in `programs`, as far as CO-RE
    /// looks at them: all members, and what those hold, but nothing that they point to. Error:
    /// there is no memory for it.
    Result<ProgramTypes> types_for(const btf* programs) const;

  private:
    std::string bytes_;
    std::string_view types_, strings_;
};

}  // namespace keyscribe::capture
