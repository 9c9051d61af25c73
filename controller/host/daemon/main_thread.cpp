// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/main_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace keyscribe::daemon {

MainThread::MainThread() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Error MainThread::stops() {
    return {"keyscribed is stopping", "control socket", "try again when it runs"};
}

Error MainThread::busy() {
    return {"keyscribed is busy", "control socket", "try again; see keyscribe status"};
}

void MainThread::add(Task task) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return task(true);
        tasks_.push_back(std::move(task));
    }
    const std::uint64_t one = 1;
    // Where the counter is full, the main thread is woken already.
    (void)!::write(wake_.get(), &one, sizeof(one));
}

void MainThread::work() {
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof(count)) < 0) return;
    std::vector<Task> tasks;
    {
        const std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
    }
    for (const Task& task : tasks) task(false);
}

void MainThread::stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Task& task : tasks_) task(true);
    tasks_.clear();
}

}  // namespace keyscribe::daemon
