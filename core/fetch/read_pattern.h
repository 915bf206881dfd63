// SPDX-License-Identifier: Apache-2.0
//
// What the reads of one file look like: several sequential streams at once, found in the file and not per handle, since
// loaders read one file from many threads through one descriptor. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/range_set.h"

namespace hubfs {

class ReadPattern {
 public:
  /// A stream of reads that follow one another.
  struct Stream {
    std::uint64_t start = 0;   ///< where it began
    std::uint64_t next = 0;    ///< where its next read is expected
    std::uint64_t window = 0;  ///< how far ahead of `next` to read; 0 until a second read followed the first
    std::uint64_t used = 0;    ///< serial number of its last read
  };

  /// A read of [first, end). Reads a little before or behind the expected place count as following: threads overtake
  /// each other, and the kernel cuts reads into pieces.
  void note(ByteRange read);

  /// The streams, the one read last first.
  [[nodiscard]] std::vector<Stream> streams() const;
  /// How much to ask for when a reader waits for `read`: the window of its stream, or a small piece for a lone read.
  [[nodiscard]] std::uint64_t window_at(ByteRange read) const;
  /// Whether a read that was noted follows others.
  [[nodiscard]] bool follows(ByteRange read) const;
  /// The longest run that a stream has read behind the header.
  [[nodiscard]] std::uint64_t longest_run() const;
  /// Bytes that were asked for in all, as often as they were asked for, but for what lies before `header_end`.
  [[nodiscard]] std::uint64_t touched() const { return touched_; }
  /// From now on reads before this place count as reading a header: not in touched(), not in a run.
  void set_header_end(std::uint64_t end) { header_end_ = end; }
  /// Where the last read ended.
  [[nodiscard]] std::uint64_t last_end() const { return last_end_; }

  static constexpr std::uint64_t kFirstWindow = 512U << 10U;
  static constexpr std::uint64_t kLoneWindow = 256U << 10U;
  static constexpr std::uint64_t kLargestWindow = 32U << 20U;

 private:
  [[nodiscard]] const Stream* stream_of(ByteRange read) const;
  std::vector<Stream> streams_;  // at most kMaxStreams
  std::uint64_t serial_ = 0;
  std::uint64_t last_end_ = 0;
  std::uint64_t touched_ = 0;
  std::uint64_t header_end_ = 0;
};

}  // namespace hubfs
