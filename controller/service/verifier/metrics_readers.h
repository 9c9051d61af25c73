// SPDX-License-Identifier: Apache-2.0
// Whose tokens metrics were read with: while the database is away no token can be looked up, and
// the metrics are what says that it is.
#pragma once

#include <mutex>
#include <set>
#include <string>

namespace keyscribe::verifier {

/// Thread-safe.
class MetricsReaders {
  public:
    /// `token_digest` was found in the database, and may read. A process remembers some tens.
    void remember(const std::string& token_digest) {
        const std::lock_guard lock(mutex_);
        if (digests_.size() < kMost) digests_.insert(token_digest);
    }
    bool know(const std::string& token_digest) const {
        const std::lock_guard lock(mutex_);
        return digests_.contains(token_digest);
    }
    void forget(const std::string& token_digest) {
        const std::lock_guard lock(mutex_);
        digests_.erase(token_digest);
    }

  private:
    static constexpr std::size_t kMost = 64;
    mutable std::mutex mutex_;
    std::set<std::string> digests_;
};

}  // namespace keyscribe::verifier
