// SPDX-License-Identifier: Apache-2.0
// Calls the fuzzer by whose name the program is called.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "tests/fuzz/fuzzer.h"

namespace keyscribe::testing {
namespace {

std::map<std::string, Fuzz>& fuzzers() {
    static std::map<std::string, Fuzz> all;
    return all;
}

Fuzz chosen = nullptr;

}  // namespace

Fuzzer::Fuzzer(const char* name, Fuzz fuzz) { fuzzers()[name] = fuzz; }

}  // namespace keyscribe::testing

using namespace keyscribe::testing;

extern "C" int LLVMFuzzerInitialize(int*, char*** argv) {
    // tss2-mu writes to stderr on its own, a line for each input.
    ::setenv("TSS2_LOG", "all+none", 1);
    const std::string name = std::filesystem::path((*argv)[0]).filename();
    if (const auto found = fuzzers().find(name); found != fuzzers().end()) {
        chosen = found->second;
        return 0;
    }
    std::fprintf(stderr, "%s is no fuzzer; these are, by the links beside the program:\n",
                 name.c_str());
    for (const auto& [known, _] : fuzzers()) std::fprintf(stderr, "  %s\n", known.c_str());
    std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    chosen(data, size);
    return 0;
}
