// SPDX-License-Identifier: Apache-2.0
// A good host's evidence, and changes of bytes as a fuzzer likes them. What is changed must not be
// affirmed, unless nothing that the quote covers is changed.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "controller/list/list_reader.h"
#include "controller/service/appraise/appraise.h"
#include "tests/support/host.h"

namespace keyscribe::fuzz {

using testing::Buffer;

struct GoodHost {
    testing::Host host;
    appraise::Basis basis;
    std::vector<appraise::AttestationKey> keys;
    Buffer state;  ///< kept of its evidence up to `kept_entries`
    std::uint64_t kept_entries = 0;

    GoodHost() {
        ::setenv("TSS2_LOG", "all+none", 1);
        host.quote.key = testing::ec_key("P-256");
        host.quote.scheme = TPM2_ALG_ECDSA;
        if (!basis.references.add(host.builtin, "build.der") ||
            !basis.references.add(host.ima, "ima.der"))
            std::abort();
        keys.push_back(*appraise::AttestationKey::from_pem(host.quote.pem()));
        host.begin();
        keep();
        host.key(".ima", host.ima, 300, "File signer: 11");
        host.with_ima = true;
        host.kernel.aggregate(testing::Host::aggregate_of(host.firmware()));
        host.file("/usr/bin/good", "good", host.ima_key.get());
        ++host.quote.clock;
    }

    appraise::Appraisal appraise(Bytes evidence, Bytes with_state = {}) const {
        return appraise::appraise({.evidence = evidence,
                                   .nonce = host.quote.nonce,
                                   .keys = keys,
                                   .now = std::time(nullptr),
                                   .state = with_state},
                                  basis);
    }
    bool affirmed(Bytes evidence, Bytes with_state = {}) const {
        return appraise(evidence, with_state).verdict == appraise::Verdict::kAffirmed;
    }

  private:
    void keep() {
        const Buffer evidence = host.encoded();
        const auto appraisal = appraise(evidence);
        if (!appraisal.next) std::abort();
        const std::string header = appraisal.next->header();
        state.assign(header.begin(), header.end());
        state.insert(state.end(), appraisal.next->added.begin(), appraisal.next->added.end());
        kept_entries = host.list.entries;
    }
};

inline std::uint64_t entries_of(Bytes list) {
    list::ListReader reader(list);
    for (std::uint64_t count = 0;; ++count)
        if (const auto entry = reader.next(); !entry || !*entry) return count;
}

/// `script`: [what][place, 3 bytes][how much] and so on: flips, removes, repeats, inserts, swaps.
inline Buffer mutated(Buffer bytes, Bytes script) {
    for (; script.size() >= 5 && !bytes.empty(); script = script.subspan(5)) {
        const std::size_t size = bytes.size();
        const std::size_t at =
            (script[1] | std::size_t{script[2]} << 8 | std::size_t{script[3]} << 16) % size;
        const std::size_t count = std::min<std::size_t>(script[4] + 1u, size - at);
        const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = begin + static_cast<std::ptrdiff_t>(count);
        switch (script[0] % 6) {
            case 0:
                bytes[at] ^= script[4];
                break;
            case 1:
                bytes.erase(begin, end);
                break;
            case 2: {
                const Buffer again(begin, end);
                bytes.insert(begin, again.begin(), again.end());
                break;
            }
            case 3:
                bytes.insert(begin, script[4]);
                break;
            case 4:
                bytes.resize(at);
                break;
            default:
                std::reverse(begin, end);
        }
    }
    return bytes;
}

}  // namespace keyscribe::fuzz
