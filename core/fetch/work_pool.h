// SPDX-License-Identifier: Apache-2.0
//
// A few threads for work that may block on the disk (opening partials, hashing, fsync, publication), so that the network
// thread never does. Work that is queued when the pool ends is dropped; work that runs is waited for. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "core/base/thread_annotations.h"

namespace hubfs {

class WorkPool {
 public:
  explicit WorkPool(int threads);
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  void run(std::function<void()> work);
  /// Drops what is queued, takes no more, and returns when nothing runs.
  void drain();

 private:
  void serve();

  Mutex mutex_;  ///< guards what follows; never held while work runs
  std::condition_variable wake_;
  std::condition_variable idle_;
  int running_ GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace hubfs
