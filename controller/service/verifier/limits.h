// SPDX-License-Identifier: Apache-2.0
// What is taken at once, so that no client takes all there is.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "controller/base/seeded_hash.h"

namespace keyscribe::verifier {

/// Connections, in all and of each address.
class ConnectionLimit {
  public:
    ConnectionLimit(unsigned all, unsigned each) : all_(all), each_(each) {}

    bool take(const std::string& address) {
        const std::lock_guard lock(mutex_);
        if (count_ >= all_) return false;
        unsigned& of_address = of_[address];
        if (of_address >= each_) return false;
        ++of_address;
        ++count_;
        return true;
    }
    void give_back(const std::string& address) {
        const std::lock_guard lock(mutex_);
        --count_;
        if (const auto found = of_.find(address); --found->second == 0) of_.erase(found);
    }
    unsigned count() const { return count_; }

  private:
    const unsigned all_, each_;
    std::mutex mutex_;
    std::atomic<unsigned> count_ = 0;
    std::unordered_map<std::string, unsigned, base::SeededHash, std::equal_to<>> of_;
};

/// A number of something (bytes, places in a queue) of which no more than `most` are taken.
class Budget {
  public:
    explicit Budget(std::uint64_t most) : most_(most) {}

    bool take(std::uint64_t amount) {
        std::uint64_t taken = taken_;
        do {
            if (taken + amount > most_) return false;
        } while (!taken_.compare_exchange_weak(taken, taken + amount));
        return true;
    }
    void give_back(std::uint64_t amount) { taken_ -= amount; }
    std::uint64_t taken() const { return taken_; }

    /// Gives back what was taken when it ends.
    class Hold {
      public:
        Hold() = default;
        Hold(Budget& of, std::uint64_t amount) : of_(&of), amount_(amount) {}
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        Hold(Hold&& other) noexcept
            : of_(std::exchange(other.of_, nullptr)), amount_(other.amount_) {}
        Hold& operator=(Hold&& other) noexcept {
            std::swap(of_, other.of_);
            std::swap(amount_, other.amount_);
            return *this;
        }
        ~Hold() {
            if (of_ != nullptr) of_->give_back(amount_);
        }

      private:
        Budget* of_ = nullptr;
        std::uint64_t amount_ = 0;
    };

  private:
    const std::uint64_t most_;
    std::atomic<std::uint64_t> taken_ = 0;
};

}  // namespace keyscribe::verifier
