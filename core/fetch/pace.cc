// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/pace.h"

#include <algorithm>

namespace hubfs {

namespace {

constexpr double kWeight = 0.2;  // of a new value
constexpr std::uint64_t kFirstChunk = 16U << 20U;
constexpr std::uint64_t kFirstWorthWaiting = 4U << 20U;
constexpr std::uint64_t kLeastWorthWaiting = 64U << 10U;
constexpr std::uint64_t kTellingBytes = 1U << 20U;
constexpr double kAnswersPerChunk = 10;

double mixed(std::optional<double> old, double value) { return old ? *old + kWeight * (value - *old) : value; }

std::uint64_t clamped(double bytes, std::uint64_t least, std::uint64_t most) {
  return static_cast<std::uint64_t>(std::clamp(bytes, static_cast<double>(least), static_cast<double>(most)));
}

}  // namespace

void Pace::answered(Seconds wait) {
  const double value = std::max(wait.count(), 0.0);
  latency_ = Seconds(mixed(latency_ ? std::optional(latency_->count()) : std::nullopt, value));
}

void Pace::delivered(std::uint64_t bytes, Seconds took) {
  if (bytes < kTellingBytes || took.count() <= 0) return;
  rate_ = mixed(rate_, static_cast<double>(bytes) / took.count());
}

std::uint64_t Pace::chunk() const {
  if (!latency_ || !rate_) return kFirstChunk;
  return clamped(kAnswersPerChunk * latency_->count() * *rate_, kSmallestChunk, kLargestChunk);
}

std::uint64_t Pace::worth_waiting() const {
  if (!latency_ || !rate_) return kFirstWorthWaiting;
  return clamped(latency_->count() * *rate_, kLeastWorthWaiting, kFirstWorthWaiting);
}

}  // namespace hubfs
