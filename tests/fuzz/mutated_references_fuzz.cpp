// SPDX-License-Identifier: Apache-2.0
// The file of a reference value with some bytes changed: a host that holds its key is affirmed only
// where the file still has the certificate.
#include "mutation.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace mutated_references_fuzz {

using namespace keyscribe::fuzz;

void fuzz(const std::uint8_t* data, std::size_t size) {
    static GoodHost good;
    static const Buffer evidence = good.host.encoded();
    const Buffer changed = mutated(good.host.ima, {data, size});
    good.basis.references = {};
    if (!good.basis.references.add(good.host.builtin, "build.der")) std::abort();
    if (!good.basis.references.add(changed, "ima.der")) return;
    if (good.affirmed(evidence) && std::ranges::search(changed, good.host.ima).empty())
        std::abort();
}

const testing::Fuzzer kFuzzer("mutated_references_fuzz", fuzz);

}  // namespace mutated_references_fuzz
}  // namespace keyscribe
