// SPDX-License-Identifier: Apache-2.0
#include "core/hub/deadlines.h"

#include <algorithm>

namespace hubfs {

namespace {

std::uint64_t least_bytes(const HttpRequest& request) {
  const auto ms = std::max<std::int64_t>(request.min_speed_window.count(), 0);
  return request.min_bytes_per_second * static_cast<std::uint64_t>(ms) / 1000;
}

}  // namespace

Deadlines::Deadlines(const HttpRequest& request, Clock::time_point now)
    : total_(request.total_timeout),
      connect_(request.connect_timeout),
      idle_(request.idle_timeout),
      window_(request.min_speed_window),
      bytes_per_window_(least_bytes(request)),
      started_(now) {}

bool Deadlines::received(std::size_t bytes, Clock::time_point now) {
  const bool first = !window_start_;
  last_byte_ = now;
  if (first) window_start_ = now;
  window_bytes_ += bytes;
  return first;
}

std::optional<Deadlines::Clock::time_point> Deadlines::next() const {
  std::optional<Clock::time_point> next;
  const auto consider = [&next](Clock::time_point when) { next = next ? std::min(*next, when) : when; };
  if (total_.count() > 0) consider(started_ + total_);
  if (last_byte_) {
    consider(*last_byte_ + idle_);
  } else if (admitted_) {
    consider(*admitted_ + connect_);
  }
  if (window_start_ && bytes_per_window_ > 0) consider(*window_start_ + window_);
  return next;
}

std::optional<std::string_view> Deadlines::overdue(Clock::time_point looked_at) {
  if (total_.count() > 0 && looked_at >= started_ + total_) return "no complete answer in time";
  if (!last_byte_) {
    if (admitted_ && looked_at >= *admitted_ + connect_) return "no connection in time";
    return std::nullopt;
  }
  if (looked_at >= *last_byte_ + idle_) return "silence";
  if (window_start_ && bytes_per_window_ > 0 && looked_at >= *window_start_ + window_) {
    if (window_bytes_ < bytes_per_window_) return "too slow to count as an answer";
    window_start_ = looked_at;
    window_bytes_ = 0;
  }
  return std::nullopt;
}

}  // namespace hubfs
