// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_plan.h"

#include <algorithm>

namespace hubfs {

namespace {

// A reader waits for a running request if it arrives there within this many bytes; else it gets a request of its own.
constexpr std::uint64_t kWorthWaiting = 4U << 20U;

RangeSet covered(const FillState& state) {
  RangeSet all = *state.present;
  for (const OnItsWay& request : state.on_its_way) all.add({request.next, request.end});
  return all;
}

// The running request that will deliver `at`, if any.
std::optional<std::size_t> carrier(const FillState& state, std::uint64_t at) {
  for (std::size_t i = 0; i < state.on_its_way.size(); ++i) {
    if (state.on_its_way[i].next <= at && at < state.on_its_way[i].end) return i;
  }
  return std::nullopt;
}

std::optional<NextRequest> demand(const FillState& state, const RangeSet& all) {
  for (const ByteRange& wanted : state.wanted) {
    for (const ByteRange& gap : state.present->missing_in(wanted)) {
      const ByteRange free = all.first_missing_in(gap);
      if (free.first < free.end) {
        // Nobody brings it yet: ask for it and what follows, up to what is here or on its way.
        const std::uint64_t least = state.fill ? state.chunk : state.demand_window;
        const std::uint64_t end = std::min(state.size, std::max(free.end, free.first + least));
        return NextRequest{{free.first, all.first_missing_in({free.first, end}).end}, true, std::nullopt};
      }
      const auto by = carrier(state, gap.first);
      if (!by) continue;
      const OnItsWay& running = state.on_its_way[*by];
      if (gap.first - running.next > kWorthWaiting) return NextRequest{{gap.first, running.end}, true, by};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<NextRequest> next_request(const FillState& state, bool demand_only) {
  const RangeSet all = covered(state);
  if (auto urgent = demand(state, all)) return urgent;
  if (demand_only || !state.fill) return std::nullopt;
  ByteRange gap = all.first_missing_in({std::min(state.cursor, state.size), state.size});
  if (gap.first >= gap.end) gap = all.first_missing_in({0, state.size});
  if (gap.first >= gap.end) return std::nullopt;
  gap.end = std::min(gap.end, gap.first + state.chunk);
  return NextRequest{gap, false, std::nullopt};
}

}  // namespace hubfs
