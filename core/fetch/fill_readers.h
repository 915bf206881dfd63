// SPDX-License-Identifier: Apache-2.0
//
// Who waits for what of one file: opens for the first answer, reads for a range, others for the whole. Loop thread only;
// callbacks are called from the functions that say so, and may come back in.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/fetch/fetch_file.h"

namespace hubfs {

/// Names one wait, so that it can be taken back.
using WaitId = std::uint64_t;

class FillReaders {
 public:
  using Done = std::function<void(Status)>;
  using Clock = std::chrono::steady_clock;

  enum class Kind : std::uint8_t { kNone, kOpen, kReader, kWhole };

  struct Reader {
    WaitId wait = 0;
    ByteRange range;
    Done done;
    Clock::time_point since;
  };

  void add_open(WaitId wait, Done done) { opens_.push_back({wait, {}, std::move(done), Clock::now()}); }
  void add_reader(WaitId wait, ByteRange range, Done done) { readers_.push_back({wait, range, std::move(done), Clock::now()}); }
  void add_whole(WaitId wait, Done done) { wholes_.push_back({wait, {}, std::move(done), Clock::now()}); }

  /// Takes a wait back, without a call; says what it was.
  Kind cancel(WaitId wait);

  [[nodiscard]] const std::vector<Reader>& readers() const { return readers_; }
  [[nodiscard]] bool any_open() const { return !opens_.empty(); }
  [[nodiscard]] bool any_whole() const { return !wholes_.empty(); }
  [[nodiscard]] bool any() const { return any_open() || any_whole() || !readers_.empty(); }
  /// When the first of the waiting opens began; nullopt when none waits.
  [[nodiscard]] std::optional<Clock::time_point> oldest_open() const;

  /// Calls the opens.
  void answer_opens(const Status& status);
  void answer_wholes(const Status& status);
  /// Calls the readers whose bytes are here.
  void answer_ready(const FetchFile& file);
  /// Calls everybody: readers whose bytes are here with success, the others with `status`.
  void answer_all(const FetchFile& file, const Status& status);

 private:
  std::vector<Reader> opens_;
  std::vector<Reader> readers_;
  std::vector<Reader> wholes_;
};

}  // namespace hubfs
