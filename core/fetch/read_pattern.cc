// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/read_pattern.h"

#include <algorithm>

namespace hubfs {

namespace {

constexpr std::size_t kMaxStreams = 16;
// How far beside the expected place a read may begin and still follow.
constexpr std::uint64_t kSlack = 1U << 20U;

bool is_near(const ReadPattern::Stream& stream, ByteRange read) {
  return read.first + kSlack >= stream.next && read.first <= stream.next + kSlack;
}

}  // namespace

const ReadPattern::Stream* ReadPattern::stream_of(ByteRange read) const {
  const Stream* best = nullptr;
  for (const Stream& stream : streams_) {
    if (is_near(stream, read) && (best == nullptr || stream.used > best->used)) best = &stream;
  }
  return best;
}

void ReadPattern::note(ByteRange read) {
  if (read.first >= read.end) return;
  ++serial_;
  last_end_ = read.end;
  if (read.end > header_end_) touched_ += read.end - std::max(read.first, header_end_);
  const Stream* found = stream_of(read);
  if (found == nullptr) {
    if (streams_.size() == kMaxStreams) {
      streams_.erase(std::min_element(streams_.begin(), streams_.end(),
                                      [](const Stream& a, const Stream& b) { return a.used < b.used; }));
    }
    streams_.push_back({read.first, read.end, 0, serial_});
    return;
  }
  Stream& stream = streams_[static_cast<std::size_t>(found - streams_.data())];
  stream.used = serial_;
  if (read.end <= stream.next) return;
  stream.next = read.end;
  // Twice what was read: a few reads near one another are no reason to read far ahead.
  stream.window = std::clamp(2 * (stream.next - stream.start), kFirstWindow, kLargestWindow);
}

std::vector<ReadPattern::Stream> ReadPattern::streams() const {
  std::vector<Stream> sorted = streams_;
  std::sort(sorted.begin(), sorted.end(), [](const Stream& a, const Stream& b) { return a.used > b.used; });
  return sorted;
}

std::uint64_t ReadPattern::window_at(ByteRange read) const {
  const Stream* stream = stream_of(read);
  return std::max(read.size(), stream == nullptr || stream->window == 0 ? kLoneWindow : stream->window);
}

bool ReadPattern::follows(ByteRange read) const {
  const Stream* stream = stream_of(read);
  return stream != nullptr && stream->window > 0;
}

std::uint64_t ReadPattern::longest_run() const {
  std::uint64_t longest = 0;
  for (const Stream& stream : streams_) {
    const std::uint64_t start = std::max(stream.start, header_end_);
    if (stream.next > start) longest = std::max(longest, stream.next - start);
  }
  return longest;
}

}  // namespace hubfs
