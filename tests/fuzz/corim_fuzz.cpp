// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a CoRIM: what is read are certificates, and export gives them back.
#include <cstdlib>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/references/corim.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace corim_fuzz {

using namespace keyscribe::references;
using keyscribe::Bytes;

void fuzz(const std::uint8_t* data, std::size_t size) {
    const auto corim = read_corim(Bytes(data, size), "f", 0);
    if (!corim) {
        if (corim.error().where.empty()) std::abort();
        return;
    }
    keyscribe::appraise::ReferenceValues values;
    for (const CorimKey& key : corim->keys) {
        if (key.certificate.empty() != key.thumbprint.has_value()) std::abort();
        if (!key.certificate.empty() && !values.add(key.certificate, "f", key.keyring))
            std::abort();
    }
    if (values.all().empty()) return;
    const auto again = read_corim(corim_of(values), "f", 0);
    if (!again || again->keys.empty() || again->keys.size() > values.all().size()) std::abort();
}

const testing::Fuzzer kFuzzer("corim_fuzz", fuzz);

}  // namespace corim_fuzz
}  // namespace keyscribe
