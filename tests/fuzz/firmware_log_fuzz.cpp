// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a firmware's event log, and as a variable of EFI signature lists. What is
// taken out of them lies in them; a log that is cut has no more events.
#include <algorithm>
#include <cstdlib>

#include "controller/service/firmware/replay.h"
#include "controller/service/firmware/secure_boot.h"
#include "controller/service/firmware/signature_list.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace firmware_log_fuzz {

using namespace keyscribe::firmware;

void require(bool good) {
    if (!good) std::abort();
}

bool is_in(Bytes part, Bytes whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

void read_log(Bytes input) {
    const auto log = parse_event_log(input);
    if (!log) return require(!log.error().where.empty());
    for (const Event& event : log->events) {
        require(is_in(event.data, input));
        require(!event.extends() || event.pcr < kPcrs);
        for (std::size_t i = 0; i < kBanks.size(); ++i)
            require(event.digests[i].empty() || (event.digests[i].size() == size_of(kBanks[i]) &&
                                                 is_in(event.digests[i], input)));
    }
    std::vector<Algorithm> banks;
    for (const Algorithm bank : log->banks)
        if (replay(*log, bank)) banks.push_back(bank);
    if (const auto found = read_secure_boot(*log, banks))
        for (const Bytes variable : {found->pk, found->kek, found->db, found->dbx})
            require(is_in(variable, input));
    if (!input.empty())
        if (const auto less = parse_event_log(input.first(input.size() - 1)))
            require(less->events.size() < log->events.size());
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    const Bytes input(data, size);
    read_log(input);
    const SignatureLists read = read_signature_lists(input);
    require(read.malformed.has_value() || !read.lists.empty() || input.empty());
    for (const SignatureList& list : read.lists) {
        require(!list.signatures.empty());
        for (const Bytes signature : list.signatures)
            require(!signature.empty() && is_in(signature, input));
    }
}

const testing::Fuzzer kFuzzer("firmware_log_fuzz", fuzz);

}  // namespace firmware_log_fuzz
}  // namespace keyscribe
