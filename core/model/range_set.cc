// SPDX-License-Identifier: Apache-2.0
#include "core/model/range_set.h"

#include <algorithm>

namespace hubfs {

void RangeSet::add(ByteRange range) {
  if (range.first >= range.end) return;
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin() && std::prev(it)->second >= range.first) --it;
  while (it != ranges_.end() && it->first <= range.end) {
    range.first = std::min(range.first, it->first);
    range.end = std::max(range.end, it->second);
    total_ -= it->second - it->first;
    it = ranges_.erase(it);
  }
  ranges_.emplace(range.first, range.end);
  total_ += range.size();
}

void RangeSet::remove(ByteRange range) {
  if (range.first >= range.end) return;
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin() && std::prev(it)->second > range.first) --it;
  while (it != ranges_.end() && it->first < range.end) {
    const ByteRange old{it->first, it->second};
    it = ranges_.erase(it);
    total_ -= old.size();
    if (old.first < range.first) {
      ranges_.emplace(old.first, range.first);
      total_ += range.first - old.first;
    }
    if (old.end > range.end) {
      ranges_.emplace(range.end, old.end);
      total_ += old.end - range.end;
    }
  }
}

bool RangeSet::contains(ByteRange range) const { return range.first >= range.end || run_end(range.first) >= range.end; }

std::vector<ByteRange> RangeSet::missing_in(ByteRange range) const {
  std::vector<ByteRange> missing;
  while (range.first < range.end) {
    const ByteRange gap = first_missing_in(range);
    if (gap.first >= gap.end) break;
    missing.push_back(gap);
    range.first = gap.end;
  }
  return missing;
}

ByteRange RangeSet::first_missing_in(ByteRange range) const {
  const std::uint64_t first = std::min(run_end(range.first), range.end);
  if (first >= range.end) return {range.end, range.end};
  const auto next = ranges_.upper_bound(first);
  return {first, next == ranges_.end() ? range.end : std::min(next->first, range.end)};
}

std::uint64_t RangeSet::run_end(std::uint64_t at) const {
  auto it = ranges_.upper_bound(at);
  if (it == ranges_.begin()) return at;
  --it;
  return it->second > at ? it->second : at;
}

std::vector<ByteRange> RangeSet::ranges() const {
  std::vector<ByteRange> all;
  all.reserve(ranges_.size());
  for (const auto& [first, end] : ranges_) all.push_back({first, end});
  return all;
}

}  // namespace hubfs
