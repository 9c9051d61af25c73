// SPDX-License-Identifier: Apache-2.0
// What is known of certificates' signatures, whichever host's list has them: reading a certificate
// takes OpenSSL 0.1 ms and verifying its signature as long again, and a fleet's hosts have the same
// ones. Results depend on nothing but the bytes that they are kept by.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "controller/base/seeded_hash.h"

namespace keyscribe::appraise {

/// May be used by any number of threads at once.
class SignatureCache {
  public:
    /// `digest`: of the certificate; `make`: see keyrings::why_unverifiable().
    template <class Make>
    std::string why_unverifiable(const Sha256& digest, Make make) {
        return look_up(unverifiable_, digest, make);
    }
    /// `pair`: a digest over those of the certificate and of its signer's key.
    template <class Make>
    bool is_signed(const Sha256& pair, Make make) {
        return look_up(signed_, pair, make);
    }

  private:
    /// Of each kind, some 100 bytes. Beyond that all are forgotten, and the next hosts' are known.
    static constexpr std::size_t kMost = 50'000;

    template <class Value>
    using Known = std::unordered_map<Sha256, Value, base::SeededHash>;

    template <class Value, class Make>
    Value look_up(Known<Value>& known, const Sha256& digest, Make make) {
        {
            const std::lock_guard lock(mutex_);
            if (const auto found = known.find(digest); found != known.end()) return found->second;
        }
        Value value = make();
        const std::lock_guard lock(mutex_);
        if (known.size() >= kMost) known.clear();
        known.insert_or_assign(digest, value);
        return value;
    }

    std::mutex mutex_;
    Known<std::string> unverifiable_;
    Known<bool> signed_;
};

}  // namespace keyscribe::appraise
