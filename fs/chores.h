// SPDX-License-Identifier: Apache-2.0
//
// A thread for work that nobody waits for: deleting what was set aside, looking who holds it open. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <thread>

#include "core/base/thread_annotations.h"

namespace hubfs {

class Chores {
 public:
  using Work = std::function<void()>;

  Chores();
  /// Finishes what add() queued; what add_after() queued and is not due is dropped.
  ~Chores();
  Chores(const Chores&) = delete;
  Chores& operator=(const Chores&) = delete;

  /// Runs in the order of the calls. `work` may add more.
  void add(Work work);
  void add_after(std::chrono::milliseconds delay, Work work);
  /// Waits until nothing that add() queued is left. Not from a chore.
  void drain();

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  Mutex mutex_;  ///< guards all below; never held while work runs
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Work> queue_ GUARDED_BY(mutex_);
  std::multimap<Clock::time_point, Work> later_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hubfs
