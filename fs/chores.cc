// SPDX-License-Identifier: Apache-2.0
#include "fs/chores.h"

namespace hubfs {

Chores::Chores() : thread_([this] { run(); }) {}

Chores::~Chores() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Chores::add(Work work) {
  {
    const MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Chores::add_after(std::chrono::milliseconds delay, Work work) {
  {
    const MutexLock lock(mutex_);
    later_.emplace(Clock::now() + delay, std::move(work));
  }
  wake_.notify_one();
}

void Chores::drain() {
  MutexLock lock(mutex_);
  while (!queue_.empty() || busy_) idle_.wait(lock.native());
}

void Chores::run() {
  MutexLock lock(mutex_);
  while (true) {
    while (!later_.empty() && later_.begin()->first <= Clock::now()) {
      queue_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (queue_.empty()) {
      idle_.notify_all();
      if (stop_) return;
      if (later_.empty()) {
        wake_.wait(lock.native());
      } else {
        const auto due = later_.begin()->first;
        wake_.wait_until(lock.native(), due);
      }
      continue;
    }
    Work work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    busy_ = false;
  }
}

}  // namespace hubfs
