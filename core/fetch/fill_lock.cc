// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_lock.h"

namespace hubfs {

namespace {
constexpr auto kBetweenTries = std::chrono::milliseconds(250);
}

Status FillLock::take(Clock::time_point now) {
  if (lock_ || (others_have_it_ && now - tried_ < kBetweenTries)) return {};
  tried_ = now;
  auto taken = BlobLock::try_acquire(root_, target_.key, target_.etag);
  no_locks_ = !taken && taken.error().kind == ErrorKind::kUnsupported;
  others_have_it_ = taken && !*taken;
  if (!taken) return no_locks_ ? Status{} : Status(std::unexpected(taken.error()));
  if (*taken) lock_ = std::move(**taken);
  return {};
}

}  // namespace hubfs
