// SPDX-License-Identifier: Apache-2.0
#include "core/hub/posted_work.h"

#include <utility>

namespace hubfs {

void PostedWork::add(std::function<void()> work, bool on_loop_thread) {
  const MutexLock lock(mutex_);
  if (closed_) return;
  waiting_.push_back(std::move(work));
  if (waiting_.size() == 1 && !on_loop_thread) wake_();
}

void PostedWork::wake() {
  const MutexLock lock(mutex_);
  if (!closed_) wake_();
}

PostedWork::Work PostedWork::take() {
  const MutexLock lock(mutex_);
  return std::exchange(waiting_, {});
}

bool PostedWork::empty() {
  const MutexLock lock(mutex_);
  return waiting_.empty();
}

PostedWork::Work PostedWork::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  return std::exchange(waiting_, {});
}

}  // namespace hubfs
