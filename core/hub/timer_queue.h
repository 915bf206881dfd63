// SPDX-License-Identifier: Apache-2.0
//
// Work to be done at a time. Internal to core/hub; used by one thread. Work may add and cancel timers, itself included.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace hubfs {

class TimerQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Id = std::uint64_t;

  Id add(Clock::time_point when, std::function<void()> work);
  /// Unknown ids are ignored.
  void cancel(Id id);
  /// Runs what is due at `now`, in order of time, until `stop` answers true.
  void run_due(Clock::time_point now, const std::function<bool()>& stop);
  [[nodiscard]] std::optional<Clock::time_point> next() const;
  void clear();

 private:
  Id next_id_ = 1;
  std::map<std::pair<Clock::time_point, Id>, std::function<void()>> queue_;
  std::unordered_map<Id, Clock::time_point> when_;
};

}  // namespace hubfs
