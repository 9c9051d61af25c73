// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a record of the ring: refused, or decoded into what the record's own lengths
// say. The second half of the input space is reached by repairing the fixed part first.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "controller/host/capture/event_decoder.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace event_decoder_fuzz {

void decode(std::span<const std::byte> record) {
    const auto event = keyscribe::capture::decode_event(record);
    if (!event) return;
    const std::size_t content = sizeof(ks_event) + event->description.size() +
                                event->keyring.name.size() + event->from.name.size() +
                                event->restriction.size() + event->payload.size();
    if (content > record.size()) std::abort();
    if (!event->payload.empty() && event->payload.size() != event->payload_length) std::abort();
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    decode({reinterpret_cast<const std::byte*>(data), size});
    if (size < sizeof(ks_event)) return;

    std::vector<std::byte> record(size);
    std::memcpy(record.data(), data, size);
    ks_event fixed;
    std::memcpy(&fixed, data, sizeof(fixed));
    fixed.version = KS_EVENT_VERSION;
    fixed.head_size = sizeof(fixed);
    fixed.operation %= KS_OP_COUNT;
    fixed.size =
        sizeof(fixed) + fixed.description_length + fixed.keyring_length + fixed.payload_copied;
    fixed.payload_length = fixed.payload_copied;
    std::memcpy(record.data(), &fixed, sizeof(fixed));
    decode(record);
}

const testing::Fuzzer kFuzzer("event_decoder_fuzz", fuzz);

}  // namespace event_decoder_fuzz
}  // namespace keyscribe
