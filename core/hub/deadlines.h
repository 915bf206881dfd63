// SPDX-License-Identifier: Apache-2.0
//
// When one request has taken too long: to connect, to say anything, to say enough, or in all. Time is judged by when
// the sockets were last looked at, so that a loop that was held up does not take its own absence for the server's
// silence. Internal to core/hub; one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/hub/http_loop.h"

namespace hubfs {

class Deadlines {
 public:
  using Clock = std::chrono::steady_clock;

  /// Waiting for a connection begins: only the total limit runs.
  Deadlines(const HttpRequest& request, Clock::time_point now);
  /// Connecting begins.
  void admitted(Clock::time_point now) { admitted_ = now; }
  /// The request goes out.
  void connected(Clock::time_point now) { last_byte_ = now; }
  /// True for the first bytes: from then on next() may be sooner.
  bool received(std::size_t bytes, Clock::time_point now);

  /// When to ask overdue() next; nullopt when nothing runs.
  [[nodiscard]] std::optional<Clock::time_point> next() const;
  /// What was missed, in words; renews the window of the minimum speed where that was kept.
  std::optional<std::string_view> overdue(Clock::time_point looked_at);

 private:
  std::chrono::milliseconds total_, connect_, idle_, window_;
  std::uint64_t bytes_per_window_;
  Clock::time_point started_;
  std::optional<Clock::time_point> admitted_;
  std::optional<Clock::time_point> last_byte_;     // set when connected
  std::optional<Clock::time_point> window_start_;  // set by the first byte
  std::uint64_t window_bytes_ = 0;
};

}  // namespace hubfs
