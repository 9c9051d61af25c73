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

/// What addresses take of something (connections, bytes): so much in all, and so much each.
class SharedLimit {
  public:
    SharedLimit(std::uint64_t all, std::uint64_t each) : all_(all), each_(each) {}

    /// `first_is_free`: an address that has nothing may take more than its part.
    bool take(const std::string& address, std::uint64_t amount = 1, bool first_is_free = false) {
        const std::lock_guard lock(mutex_);
        if (taken_ + amount > all_) return false;
        const auto found = of_.find(address);
        const std::uint64_t has = found == of_.end() ? 0 : found->second;
        if (has + amount > each_ && !(first_is_free && has == 0)) return false;
        of_[address] = has + amount;
        taken_ += amount;
        return true;
    }
    void give_back(const std::string& address, std::uint64_t amount = 1) {
        const std::lock_guard lock(mutex_);
        taken_ -= amount;
        if (const auto found = of_.find(address); (found->second -= amount) == 0) of_.erase(found);
    }
    std::uint64_t taken() const { return taken_; }
    /// Three quarters are taken: who waits must wait less.
    bool is_scarce() const { return taken_ >= all_ / 4 * 3; }

    /// Gives back what was taken when it ends.
    class Hold {
      public:
        Hold() = default;
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() {
            if (of_ != nullptr) of_->give_back(address_, amount_);
        }
        bool take(SharedLimit& of, const std::string& address, std::uint64_t amount = 1,
                  bool first_is_free = false) {
            if (!of.take(address, amount, first_is_free)) return false;
            of_ = &of, address_ = address, amount_ = amount;
            return true;
        }

      private:
        SharedLimit* of_ = nullptr;
        std::string address_;
        std::uint64_t amount_ = 0;
    };

  private:
    const std::uint64_t all_, each_;
    std::mutex mutex_;
    std::atomic<std::uint64_t> taken_ = 0;
    std::unordered_map<std::string, std::uint64_t, base::SeededHash, std::equal_to<>> of_;
};

/// Places in a queue, of which no more than `most` are taken.
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
