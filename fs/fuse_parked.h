// SPDX-License-Identifier: Apache-2.0
//
// Requests that wait for the network without a thread of their own. Whoever take()s a request answers it; everybody else
// finds it gone, so each is answered exactly once: by the answer, by the death of its program, or by unmounting.
//
// The kernel sends INTERRUPT for any signal of the waiting task, once. Only a dying task is answered EINTR (a program
// that merely got SIGCHLD or a runtime's preemption signal must not see EINTR, or SIGBUS in a mapped page); since no
// second INTERRUPT comes, an interrupted task is watched from then on. libfuse runs the interrupt callback under the
// request's own lock: the registry's lock is never held while a fuse_* function is called. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "core/base/thread_annotations.h"

struct fuse_req;

namespace hubfs {

using ParkedId = std::uint64_t;

class ParkedRequests {
 public:
  ParkedRequests();
  ~ParkedRequests();
  ParkedRequests(const ParkedRequests&) = delete;
  ParkedRequests& operator=(const ParkedRequests&) = delete;

  /// Registers a request. `dropped` (may be empty) runs when it was answered EINTR instead of by its owner.
  ParkedId park(fuse_req* request, std::function<void()> dropped);
  /// The right to answer: the request, or nullptr if it was answered already.
  fuse_req* take(ParkedId id);
  /// Answers all that is parked with ENOTCONN-like EINTR: before the session ends.
  void drop_all();
  [[nodiscard]] std::size_t size() const;

 private:
  struct Item {
    fuse_req* request = nullptr;
    int task = 0;  ///< thread id of the caller; 0 when it is in another pid namespace
    std::function<void()> dropped;
    bool interrupted = false;
  };
  static void on_interrupt(fuse_req* request, void* data);
  void interrupted(ParkedId id);
  void answer_interrupted(ParkedId id);
  void watch();

  mutable Mutex mutex_;  ///< guards all below
  std::condition_variable wake_;
  std::map<ParkedId, Item> items_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread watcher_;
};

/// Whether a task is about to die (fatal signal pending, or gone), or waits in a system call with SIGINT pending.
[[nodiscard]] bool task_wants_out(int task);

}  // namespace hubfs
