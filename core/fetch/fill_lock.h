// SPDX-License-Identifier: Apache-2.0
//
// The HF lock of a blob as a fill holds it: taken without waiting, tried again now and then while another process has it,
// and done without where the file system has no locks. Loop thread only; touches the disk for a moment.
#pragma once

#include <chrono>
#include <optional>

#include "core/base/error.h"
#include "core/cache/blob_lock.h"
#include "core/fetch/fetch_file.h"

namespace hubfs {

class FillLock {
 public:
  using Clock = std::chrono::steady_clock;

  FillLock(const CacheRoot& root, const FetchTarget& target) : root_(root), target_(target) {}

  /// Takes it if it is free. An error: it cannot be had, and not because another process has it.
  Status take(Clock::time_point now);
  void release() { lock_.reset(); }
  [[nodiscard]] bool held() const { return lock_.has_value(); }
  /// Held, or there are no locks here: then no client excludes another, and unique names and renames must do.
  [[nodiscard]] bool may_fill() const { return held() || no_locks_; }
  [[nodiscard]] bool others_have_it() const { return others_have_it_; }

 private:
  const CacheRoot& root_;
  const FetchTarget& target_;
  std::optional<BlobLock> lock_;
  bool others_have_it_ = false;
  bool no_locks_ = false;
  Clock::time_point tried_;
};

}  // namespace hubfs
