// SPDX-License-Identifier: Apache-2.0
// Operations on keys of this process's own, by which it finds out which programs run: each
// operation that no other right is wanted for than one's own keys.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "bpf/filter.h"

namespace keyscribe::capture {

/// A bit for each enum ks_operation, and for KS_CANARY_FORK.
using AskedPrograms = std::uint32_t;

/// What one round of operations did.
struct CanaryRound {
    AskedPrograms asked = 0;            ///< the operations that succeeded
    AskedPrograms answered = 0;         ///< those of them that a program saw
    std::vector<std::int32_t> dropped;  ///< keys that the kernel's garbage collector destroys now

    void note(ks_operation operation, bool done);
};

class CanaryKeys {
  public:
    using Clock = std::chrono::steady_clock;

    /// Does each operation once. The programs answer in `canary` and record nothing of it.
    CanaryRound ask(ks_canary& canary);
    /// A keyring that stays as long as this process; 0: none yet.
    std::int32_t keyring() const { return keyring_; }

  private:
    ks_s32* free_places(ks_canary& canary);

    std::int32_t keyring_ = 0;
    const Clock::time_point begun_ = Clock::now();
    std::array<Clock::time_point, 2> filled_{begun_, begun_};
};

/// The key still waits for the garbage collector. Looks through all keys of the kernel.
bool is_key_listed(std::int32_t serial);

}  // namespace keyscribe::capture
