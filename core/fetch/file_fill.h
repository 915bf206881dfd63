// SPDX-License-Identifier: Apache-2.0
//
// One file being filled: decides what to ask for, whether the rest is wanted, when the lock is held, and what follows
// when all is here or nothing comes. Lives on the loop's thread; disk steps run on the pool, one at a time, and come back
// by post. The engine owns it and drops it when it is finished() and nobody waits.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/fetch/fill_lock.h"
#include "core/fetch/fill_readers.h"
#include "core/fetch/fill_transfers.h"
#include "core/fetch/fill_world.h"
#include "core/fetch/publication.h"
#include "core/fetch/read_pattern.h"

namespace hubfs {

class FileFill : public TransferSink, public std::enable_shared_from_this<FileFill> {
 public:
  /// `second_try`: the first one's bytes were wrong.
  FileFill(FillWorld& world, FetchFilePtr file, bool second_try);

  void begin();
  /// `done` when the first answer's status is known to be good, or something is here.
  void when_open(WaitId wait, FetchEngine::Done done);
  void when_here(WaitId wait, ByteRange range, FetchEngine::Done done);
  /// Asks for the whole file.
  void when_complete(WaitId wait, FetchEngine::Done done);
  void cancel(WaitId wait);
  /// A read was served from what is here.
  void note_read(ByteRange range);
  /// No handle is open any more: readahead ends, a fill goes on.
  void closed();
  /// The rest is not wanted any more; who waits for the whole hears so.
  void stop_filling();
  /// Begins what is due.
  void schedule();

  /// Ends everything; readers get `error`. `ended` runs when no disk step is under way any more.
  void abandon(const Error& error, bool removed, std::function<void()> ended);
  [[nodiscard]] bool finished() const { return stage_ == Stage::kDone; }
  [[nodiscard]] const FetchFilePtr& file() const { return file_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage : std::uint8_t { kStarting, kFilling, kVerifying, kDone };

  // TransferSink
  void on_answer() override;
  bool on_arrived(ByteRange range, std::span<const std::byte> bytes) override;
  void on_over(bool whole, const HubResult<void>& result) override;

  void start();
  void started(Result<FillStart> start);
  void ready();
  void ask_for_room(std::uint64_t upto, std::function<void(Status)> then);
  [[nodiscard]] bool may_grow();
  void decide_on_fill();
  void look_for_header();
  [[nodiscard]] FillState fill_state() const;
  void begin_requests();
  void note_failure(const HubError& error);
  void tick_later();
  void tick();
  void give_up_late_ones(Clock::time_point now);
  void check_space(Clock::time_point now);
  void ask_for_all(Clock::time_point now);
  void set_room(const Status& room);
  void look_for_blob_of_others();
  void take_lock();
  void end_if_idle(Clock::time_point now);
  void feed_hash();
  void verified(const Status& status);
  void start_over(const Error& error);
  void try_publish();
  void complete(UniqueFd blob);
  void fail_all(const Error& error);
  void end();
  void run_on_pool(std::function<std::function<void()>()> step);
  [[nodiscard]] const FetchTarget& target() const { return file_->target(); }
  [[nodiscard]] std::string name() const;

  FillWorld& world_;
  const FetchFilePtr file_;
  FillTransfers transfers_;
  FillLock lock_;
  FillReaders readers_;
  ReadPattern pattern_;
  Stage stage_ = Stage::kStarting;
  std::optional<PartialFile> partial_;
  std::unique_ptr<RunningHash> hash_;
  bool verified_ = false;
  bool second_try_;
  bool announced_ = false;    // others know that it takes space
  bool resumed_ = false;      // something was here when it began

  bool open_ = false;         // some handle is, or may be
  bool filling_ = false;      // the rest is wanted; stays so when all handles are closed
  bool room_ = true;          // for the rest
  bool asking_ = false;       // for room
  std::uint64_t asked_upto_ = 0;
  std::uint64_t granted_ = 0; // so much of the file may be here
  Error no_room_;             // why not more
  Clock::time_point answered_;
  std::uint64_t header_end_ = 0;
  bool header_known_ = false;

  std::atomic<bool> over_{false};  // for the step that is running
  bool step_running_ = false;
  std::vector<std::function<void()>> ended_;  // to be called when no step runs

  int failures_ = 0;          // since the last byte
  Error last_error_;
  Clock::time_point last_byte_;
  Clock::time_point last_used_;
  Clock::time_point retry_at_;
  Clock::time_point looked_for_blob_;
  Clock::time_point checked_space_;
  HttpLoop::TimerId timer_ = 0;
};

}  // namespace hubfs
