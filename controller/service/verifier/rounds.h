// SPDX-License-Identifier: Apache-2.0
// What a verifier does without being asked: it finds silent hosts, judges hosts again whose
// references changed, and cleans up. Any process may do it, and all do: who comes second finds it
// done.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

/// Marks hosts as silent whose deadline has passed; none for a while where nobody called this for
/// over a minute, since then no host could be heard of. Returns how many this call marked.
Result<int> mark_silent(Service& service);

/// Judges hosts whose verdict is of another basis than the one in force. Returns how many.
Result<int> judge_stale(Service& service);

/// Deletes changes that are older than the settings say, and enrolments that expired.
Result<void> clean_up(Service& service);

/// Runs a function every so many seconds on a thread of its own, until it ends.
class Round {
  public:
    Round(std::chrono::seconds pause, std::function<void()> work);
    ~Round();

  private:
    std::mutex mutex_;
    std::condition_variable ended_;
    bool end_ = false;
    std::jthread thread_;
};

}  // namespace keyscribe::verifier
