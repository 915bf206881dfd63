// SPDX-License-Identifier: Apache-2.0
//
// A set of byte ranges, half-open [first, end), merged and sorted. Value type; not thread-safe by itself.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace hubfs {

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const { return end - first; }
  bool operator==(const ByteRange&) const = default;
};

class RangeSet {
 public:
  /// Adds a range; empty ones are ignored.
  void add(ByteRange range);
  /// Takes a range away.
  void remove(ByteRange range);
  [[nodiscard]] bool contains(ByteRange range) const;
  /// The parts of `range` that are not in the set, in order.
  [[nodiscard]] std::vector<ByteRange> missing_in(ByteRange range) const;
  /// The first missing part of `range`; empty (first == end) when there is none.
  [[nodiscard]] ByteRange first_missing_in(ByteRange range) const;
  /// Where the run of present bytes that starts at `at` ends (`at` itself when that byte is missing).
  [[nodiscard]] std::uint64_t run_end(std::uint64_t at) const;
  /// Bytes in the set.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::vector<ByteRange> ranges() const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first to end
  std::uint64_t total_ = 0;
};

}  // namespace hubfs
