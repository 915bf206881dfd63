// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/work_pool.h"

namespace hubfs {

WorkPool::WorkPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

WorkPool::~WorkPool() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkPool::run(std::function<void()> work) {
  {
    const MutexLock lock(mutex_);
    if (stop_) return;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void WorkPool::drain() {
  std::deque<std::function<void()>> dropped;
  MutexLock lock(mutex_);
  stop_ = true;
  dropped.swap(queue_);
  wake_.notify_all();
  while (running_ > 0) idle_.wait(lock.native());
}

void WorkPool::serve() {
  MutexLock lock(mutex_);
  while (true) {
    while (queue_.empty() && !stop_) wake_.wait(lock.native());
    if (stop_) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    if (--running_ == 0) idle_.notify_all();
  }
}

}  // namespace hubfs
