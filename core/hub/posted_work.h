// SPDX-License-Identifier: Apache-2.0
//
// Work that other threads hand to the loop. Thread-safe. `wake` is called under the lock, so that once close() has
// returned it is never called again.
#pragma once

#include <functional>
#include <vector>

#include "core/base/thread_annotations.h"

namespace hubfs {

class PostedWork {
 public:
  using Work = std::vector<std::function<void()>>;

  explicit PostedWork(std::function<void()> wake) : wake_(std::move(wake)) {}
  /// Dropped after close(). Wakes the loop unless work was waiting already, or the caller is the loop itself.
  void add(std::function<void()> work, bool on_loop_thread);
  void wake();
  /// All that waits, in order.
  [[nodiscard]] Work take();
  [[nodiscard]] bool empty();
  /// Takes no more work; what waits is handed out to be dropped.
  [[nodiscard]] Work close();

 private:
  const std::function<void()> wake_;
  Mutex mutex_;
  Work waiting_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace hubfs
