// SPDX-License-Identifier: Apache-2.0
//
// Which ranges of a file to ask for next. Pure: it sees what is here, what is on its way and what is wanted, and says
// which request to begin and which running one to shorten. Three classes, strictly in this order: what a reader waits
// for, readahead of sequential readers, the rest of the file in the background.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/model/range_set.h"

namespace hubfs {

/// Why bytes are asked for.
enum class Urgency : std::uint8_t { kDemand, kAhead, kBackground };

/// A request that is under way: it will still deliver [next, end).
struct OnItsWay {
  std::uint64_t next = 0;
  std::uint64_t end = 0;
};

/// What a reader waits for.
struct Demand {
  ByteRange range;
  std::uint64_t window = 0;  ///< how much to ask for from its first missing byte on, if that much is missing
  bool sequential = false;   ///< the reader goes on from there
};

struct FillState {
  std::uint64_t size = 0;
  const RangeSet* present = nullptr;
  std::vector<OnItsWay> on_its_way;
  std::vector<Demand> wanted;       ///< in the order in which they came
  ByteRange header;                 ///< of a reader who is reading it: wanted in one piece; may be empty
  std::vector<ByteRange> ahead;     ///< windows in front of sequential readers, the most recent first
  bool fill = false;                ///< the rest is wanted too
  std::uint64_t cursor = 0;         ///< where the background goes on (behind the last reader), wrapping around
  std::uint64_t chunk = 16U << 20U;          ///< largest request that nobody waits for
  std::uint64_t worth_waiting = 4U << 20U;   ///< a reader waits for a running request that is nearer than this
};

struct NextRequest {
  ByteRange range;
  Urgency urgency = Urgency::kDemand;
  /// Index in on_its_way of the request that must stop where this one begins.
  std::optional<std::size_t> shorten;
};

/// The next request to begin; nullopt when there is nothing to ask for. With `demand_only`, only what a reader waits for.
std::optional<NextRequest> next_request(const FillState& state, bool demand_only);

}  // namespace hubfs
