// SPDX-License-Identifier: Apache-2.0
//
// Which ranges of a file to ask for next. Pure: it sees what is here, what is on its way and what readers wait for, and
// says which requests to begin and which running ones to shorten.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/model/range_set.h"

namespace hubfs {

/// A request that is under way: it will still deliver [next, end).
struct OnItsWay {
  std::uint64_t next = 0;
  std::uint64_t end = 0;
};

struct FillState {
  std::uint64_t size = 0;
  const RangeSet* present = nullptr;
  std::vector<OnItsWay> on_its_way;
  std::vector<ByteRange> wanted;      ///< what readers wait for
  std::uint64_t cursor = 0;           ///< where background filling goes on (behind the last reader), wrapping around
  bool fill = true;                   ///< background filling is allowed
  std::uint64_t chunk = 16U << 20U;   ///< size of a background request
  std::uint64_t demand_window = 1U << 20U;  ///< least size of a request that a reader waits for, where nothing is filled
};

struct NextRequest {
  ByteRange range;
  bool demand = false;
  /// Index in on_its_way of the request that must stop where this one begins.
  std::optional<std::size_t> shorten;
};

/// The next request to begin, most urgent first; nullopt when there is nothing to ask for. With `demand_only`, only
/// what a reader waits for.
std::optional<NextRequest> next_request(const FillState& state, bool demand_only);

}  // namespace hubfs
