// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_plan.h"

#include <algorithm>

namespace hubfs {

namespace {

// The first part of `range` that is neither here nor on its way; empty when there is none.
ByteRange first_uncovered(const FillState& state, ByteRange range) {
  while (true) {
    ByteRange gap = state.present->first_missing_in(range);
    if (gap.first >= gap.end) return {range.end, range.end};
    bool coming = false;
    for (const OnItsWay& request : state.on_its_way) {
      if (request.next <= gap.first && gap.first < request.end) {
        range.first = request.end;
        coming = true;
        break;
      }
      if (request.next > gap.first && request.next < request.end) gap.end = std::min(gap.end, request.next);
    }
    if (!coming) return gap;
    if (range.first >= range.end) return {range.end, range.end};
  }
}

// The running request that will deliver `at` soonest, if any.
std::optional<std::size_t> carrier(const FillState& state, std::uint64_t at) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < state.on_its_way.size(); ++i) {
    const OnItsWay& request = state.on_its_way[i];
    if (request.next > at || at >= request.end) continue;
    if (!best || request.next > state.on_its_way[*best].next) best = i;
  }
  return best;
}

std::optional<NextRequest> demand_request(const FillState& state) {
  for (const Demand& wanted : state.wanted) {
    for (const ByteRange& gap : state.present->missing_in(wanted.range)) {
      const ByteRange free = first_uncovered(state, gap);
      if (free.first < free.end) {
        // Nobody brings it yet: ask for it and what follows, up to what is here or on its way.
        const std::uint64_t end = std::min(state.size, std::max(free.end, free.first + wanted.window));
        return NextRequest{first_uncovered(state, {free.first, end}), Urgency::kDemand, std::nullopt};
      }
      const auto by = carrier(state, gap.first);
      if (!by || gap.first - state.on_its_way[*by].next <= state.worth_waiting) continue;
      const std::uint64_t running_end = state.on_its_way[*by].end;
      // Who reads on takes the rest of the running request over; a lone read gets a small one of its own, since ending
      // the other costs its connection.
      if (wanted.sequential) return NextRequest{{gap.first, running_end}, Urgency::kDemand, by};
      return NextRequest{{gap.first, std::min(running_end, std::max(gap.end, gap.first + wanted.window))}, Urgency::kDemand, std::nullopt};
    }
  }
  return std::nullopt;
}

std::optional<NextRequest> ahead_request(const FillState& state) {
  const ByteRange header = first_uncovered(state, state.header);
  if (header.first < header.end) return NextRequest{header, Urgency::kAhead, std::nullopt};
  for (const ByteRange& window : state.ahead) {
    const ByteRange gap = first_uncovered(state, {std::min(window.first, state.size), std::min(window.end, state.size)});
    if (gap.first >= gap.end) continue;
    // The window moves with every read: asking for each small step would make many small requests.
    if (gap.size() * 2 < window.size() && gap.end < state.size) continue;
    return NextRequest{{gap.first, std::min(gap.end, gap.first + state.chunk)}, Urgency::kAhead, std::nullopt};
  }
  return std::nullopt;
}

std::optional<NextRequest> background_request(const FillState& state) {
  ByteRange gap = first_uncovered(state, {std::min(state.cursor, state.size), state.size});
  if (gap.first >= gap.end) gap = first_uncovered(state, {0, state.size});
  if (gap.first >= gap.end) return std::nullopt;
  gap.end = std::min(gap.end, gap.first + state.chunk);
  return NextRequest{gap, Urgency::kBackground, std::nullopt};
}

}  // namespace

std::optional<NextRequest> next_request(const FillState& state, bool demand_only) {
  if (auto urgent = demand_request(state)) return urgent;
  if (demand_only) return std::nullopt;
  if (auto ahead = ahead_request(state)) return ahead;
  return state.fill ? background_request(state) : std::nullopt;
}

}  // namespace hubfs
