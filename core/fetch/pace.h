// SPDX-License-Identifier: Apache-2.0
//
// How fast the Hub answers, as the requests of this mount saw it, and what follows for their size: many small requests
// spend their time waiting for answers, a huge one keeps its connection from what is wanted next. Pure; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace hubfs {

class Pace {
 public:
  using Seconds = std::chrono::duration<double>;

  /// A request's first byte came after `wait`.
  void answered(Seconds wait);
  /// A request delivered `bytes` within `took` after its first byte. Short ones say little and are ignored.
  void delivered(std::uint64_t bytes, Seconds took);

  /// Bytes of a background request, such that the wait for its answer is a tenth of its time.
  [[nodiscard]] std::uint64_t chunk() const;
  /// Bytes that a running request brings while another one would still wait for its answer: a reader whose bytes are
  /// nearer than that waits for the running one.
  [[nodiscard]] std::uint64_t worth_waiting() const;

  [[nodiscard]] std::optional<Seconds> latency() const { return latency_; }
  /// Bytes per second of one connection.
  [[nodiscard]] std::optional<double> rate() const { return rate_; }

  static constexpr std::uint64_t kSmallestChunk = 8U << 20U;
  static constexpr std::uint64_t kLargestChunk = 64U << 20U;

 private:
  std::optional<Seconds> latency_;
  std::optional<double> rate_;
};

}  // namespace hubfs
