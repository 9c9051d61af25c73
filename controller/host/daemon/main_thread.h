// SPDX-License-Identifier: Apache-2.0
// What other threads have the main thread do, since capture and policy are its alone.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"

namespace keyscribe::daemon {

class MainThread {
  public:
    MainThread();

    /// From any other thread: has the main thread call `work`, and waits for what it returns.
    /// Error: `work`'s; the daemon is stopping, or the main thread busy for 30 s: then the work may
    /// still be done.
    template <class Answer>
    Result<Answer> ask(std::function<Result<Answer>()> work) {
        const auto promise = std::make_shared<std::promise<Result<Answer>>>();
        auto answer = promise->get_future();
        add([promise, work = std::move(work)](bool stopping) {
            promise->set_value(stopping ? Result<Answer>(std::unexpected(stops())) : work());
        });
        if (answer.wait_for(kPatience) != std::future_status::ready) return std::unexpected(busy());
        return answer.get();
    }

    /// Readable when somebody asked.
    int fd() const { return wake_.get(); }
    /// On the main thread: does what was asked for.
    void work();
    /// The main thread ends: whoever asked is told so, now and later.
    void stop();

  private:
    using Task = std::function<void(bool stopping)>;
    static constexpr std::chrono::seconds kPatience{30};

    void add(Task task);
    static Error stops();
    static Error busy();

    UniqueFd wake_;
    std::mutex mutex_;
    std::vector<Task> tasks_;
    bool stopping_ = false;
};

}  // namespace keyscribe::daemon
