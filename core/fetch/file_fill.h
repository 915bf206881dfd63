// SPDX-License-Identifier: Apache-2.0
//
// One file being filled: its requests, its readers, its lock, its hash. Lives on the loop's thread; disk steps run on the
// pool, one at a time, and come back by post. The engine owns it and drops it when it is finished() and nobody waits.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "core/cache/blob_lock.h"
#include "core/cache/cache_root.h"
#include "core/fetch/fetch_engine.h"
#include "core/fetch/fill_plan.h"
#include "core/fetch/publication.h"
#include "core/fetch/work_pool.h"
#include "core/hub/hub_client.h"

namespace hubfs {

/// What a fill needs of its surroundings; outlives it.
struct FillWorld {
  CacheRootPtr root;
  HttpLoop& loop;
  HubClient& hub;
  WorkPool& pool;
  FetchOptions options;
  FetchEvents& events;
  int running = 0;                              ///< requests of all fills; loop thread
  std::function<void(FetchFile*)> finished;     ///< tells the engine that a fill may be dropped; loop thread
};

class FileFill : public std::enable_shared_from_this<FileFill> {
 public:
  FileFill(FillWorld& world, FetchFilePtr file);
  ~FileFill();

  void begin();
  /// `done` when the first answer's status is known to be good, or something is here.
  void when_open(FetchEngine::Done done);
  void when_here(ByteRange range, FetchEngine::Done done);
  void when_complete(FetchEngine::Done done);
  void reader_at(std::uint64_t offset);

  /// Ends everything; readers get `error`. `ended` runs when no disk step is under way any more.
  void abandon(const Error& error, bool removed, std::function<void()> ended);
  [[nodiscard]] bool finished() const { return stage_ == Stage::kDone; }
  [[nodiscard]] const FetchFilePtr& file() const { return file_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage { kStarting, kFilling, kVerifying, kDone };
  struct Reader {
    ByteRange range;
    FetchEngine::Done done;
    Clock::time_point since;
  };
  struct Transfer {
    std::uint64_t next = 0;
    std::uint64_t end = 0;
    HubCall call;
  };
  class Receiver;

  void started(Result<FillStart> start);
  void schedule();
  void start_transfer(const NextRequest& request);
  bool received(Transfer& transfer, std::span<const std::byte> bytes);
  void transfer_ended(std::list<Transfer>::iterator transfer, const HubResult<void>& result);
  void note_failure(const HubError& error);
  void tick();
  void take_lock();
  void feed_hash();
  void hashed(const Status& status);
  void finish_verification(const Status& status);
  void try_publish();
  void complete(UniqueFd blob);
  void fail_all(const Error& error);
  void let_go_of_transfers();
  void answer_readers();
  void answer_open(const Status& status);
  void end_if_idle();
  void run_on_pool(std::function<std::function<void()>()> step);
  [[nodiscard]] FillState fill_state() const;

  FillWorld& world_;
  const FetchFilePtr file_;
  Stage stage_ = Stage::kStarting;
  std::optional<PartialFile> partial_;
  std::optional<BlobLock> lock_;
  bool other_holds_lock_ = false;
  std::unique_ptr<RunningHash> hash_;
  bool step_running_ = false;
  bool abandoned_ = false;
  std::function<void()> ended_;
  std::list<Transfer> transfers_;
  std::vector<Reader> readers_;
  std::vector<FetchEngine::Done> open_waiters_;
  std::vector<FetchEngine::Done> complete_waiters_;
  std::uint64_t cursor_ = 0;
  std::uint64_t window_ = 0;
  int failures_ = 0;
  bool verified_ = false;
  bool announced_ = false;
  Clock::time_point last_byte_;
  Clock::time_point began_;
  Clock::time_point retry_at_;
  Error last_error_;
  HttpLoop::TimerId timer_ = 0;
};

}  // namespace hubfs
