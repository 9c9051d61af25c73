// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/user_budget.h"

#include <algorithm>
#include <utility>

namespace keyscribe::spool {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::duration<double> kFull = 1h;
constexpr auto kShortestPause = 1s, kLongestPause = 64s;

}  // namespace

bool UserBudget::admit(std::uint32_t uid, std::uint64_t bytes, std::uint64_t sequence,
                       Clock::time_point now) {
    if (bytes_ == 0 || uid == 0 || uid == UINT32_MAX) return true;
    const auto size = static_cast<double>(bytes_);
    const auto [at, is_new] = buckets_.try_emplace(uid, Bucket{.left = size, .filled = now});
    Bucket& bucket = at->second;
    const std::chrono::duration<double> passed = now - bucket.filled;
    bucket.left = std::min(size, bucket.left + size * (passed / kFull));
    bucket.filled = now;
    if (bucket.left >= static_cast<double>(bytes)) {
        bucket.left -= static_cast<double>(bytes);
        return true;
    }
    Over& over = bucket.over;
    if (over.count++ == 0) over.first = sequence;
    over.uid = uid;
    over.last = sequence;
    return false;
}

std::vector<UserBudget::Over> UserBudget::due(Clock::time_point now) {
    std::vector<Over> told;
    for (auto& [uid, bucket] : buckets_) {
        if (now < bucket.tell) continue;
        if (bucket.over.count == 0) {
            bucket.pause = 0s;
            continue;
        }
        bucket.pause =
            std::clamp<std::chrono::seconds>(2 * bucket.pause, kShortestPause, kLongestPause);
        bucket.tell = now + bucket.pause;
        told.push_back(std::exchange(bucket.over, {}));
    }
    return told;
}

std::vector<UserBudget::Over> UserBudget::held() const {
    std::vector<Over> held;
    for (const auto& [uid, bucket] : buckets_)
        if (bucket.over.count != 0) held.push_back(bucket.over);
    return held;
}

}  // namespace keyscribe::spool
