// SPDX-License-Identifier: Apache-2.0
// Arbitrary records, one after the other, fed to the model and to one that forgets: both hold the
// same. A record: a byte for its kind, two for the size of its buf, buf. All of it is also taken
// for a certificate.
#include <array>
#include <cstdlib>
#include <set>
#include <string>
#include <tuple>

#include "controller/keyrings/certificate.h"
#include "controller/keyrings/keyring_model.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace keyring_model_fuzz {

using Held =
    std::set<std::tuple<std::string, std::int32_t, std::string, std::int32_t, std::string>>;

Held held(const keyrings::KeyringModel& model) {
    Held all;
    std::size_t standing = 0;
    for (const keyrings::KeyId ring : model.keyrings())
        for (const keyrings::LinkId id : model.contents(ring)) {
            const keyrings::Link& link = model.link(id);
            const keyrings::Key& key = model.key(link.key);
            if (!link.stands || link.keyring != ring || !key.is_live()) std::abort();
            all.emplace(model.key(ring).description, model.key(ring).serial, key.description,
                        key.serial, std::string(key.type));
            ++standing;
        }
    std::size_t links = 0;
    for (keyrings::LinkId id = 0; id < model.links(); ++id) links += model.link(id).stands;
    if (links != standing) std::abort();
    return all;
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    Bytes rest(data, size);
    (void)keyrings::parse_certificate(rest);
    keyrings::KeyringModel model, forgetful(keyrings::KeyringModel::History::kForget);
    for (std::uint64_t entry = 0; rest.size() >= 3; ++entry) {
        constexpr unsigned kOperations = KS_OP_COUNT;
        constexpr const char* kOthers[] = {"baseline-begin", "baseline", "baseline-end"};
        const unsigned kind = rest[0] % (kOperations + 4);
        const std::size_t length = std::min<std::size_t>(rest[1] << 8 | rest[2], rest.size() - 3);
        const std::string name =
            kind < kOperations
                ? list::record_name(list::name_of(static_cast<list::Operation>(kind)))
            : kind < kOperations + 3 ? list::record_name(kOthers[kind - kOperations])
                                     : "ring";
        const keyscribe::list::LogicalRecord record{entry, 0, name, rest.subspan(3, length), 0};
        if (model.feed(record).has_value() != forgetful.feed(record).has_value()) std::abort();
        rest = rest.subspan(3 + length);
    }
    model.finish();
    forgetful.finish();
    if (held(model) != held(forgetful)) std::abort();
}

const testing::Fuzzer kFuzzer("keyring_model_fuzz", fuzz);

}  // namespace keyring_model_fuzz
}  // namespace keyscribe
