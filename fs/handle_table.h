// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's open handles (fuse_file_info::fh) stand for. The table owns them: a handle that is being released
// lives on while another thread still answers a request with it, and those that the kernel never releases (a mount that
// is torn down by force) go with the table. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "core/base/thread_annotations.h"

namespace hubfs {

template <typename Handle>
class HandleTable {
 public:
  using Ptr = std::shared_ptr<Handle>;

  /// The number to hand to the kernel; never 0, never used again.
  std::uint64_t add(Ptr handle) {
    const MutexLock lock(mutex_);
    handles_.emplace(++last_, std::move(handle));
    return last_;
  }
  /// Null when it is not known.
  [[nodiscard]] Ptr find(std::uint64_t number) const {
    const MutexLock lock(mutex_);
    const auto it = handles_.find(number);
    return it == handles_.end() ? nullptr : it->second;
  }
  /// The same, and forgets it.
  Ptr take(std::uint64_t number) {
    const MutexLock lock(mutex_);
    auto node = handles_.extract(number);
    return node.empty() ? nullptr : std::move(node.mapped());
  }

 private:
  mutable Mutex mutex_;  ///< guards both
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<std::uint64_t, Ptr> handles_ GUARDED_BY(mutex_);
};

}  // namespace hubfs
