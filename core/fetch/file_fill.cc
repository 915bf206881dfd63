// SPDX-License-Identifier: Apache-2.0
//
// How a fill begins, and what it asks for next.
#include "core/fetch/file_fill.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/fetch/fill_policy.h"

namespace hubfs {

namespace {

constexpr int kDemandPerFile = 16;
constexpr std::uint64_t kSmallestShare = 1U << 20U;
// While so many readers wait for places of their own, each gets a smaller piece.
constexpr std::size_t kManyReaders = 4;

}  // namespace

FileFill::FileFill(FillWorld& world, FetchFilePtr file, bool second_try)
    : world_(world),
      file_(std::move(file)),
      transfers_(world.loop, world.hub, world.pace, world.counts, file_->target()),
      lock_(*world.root, file_->target()),
      second_try_(second_try),
      last_byte_(Clock::now()),
      last_used_(last_byte_),
      retry_at_(last_byte_),
      looked_for_blob_(last_byte_) {}

std::string FileFill::name() const { return target().key.text() + "/" + target().path.text(); }

// `step` runs on the pool; what it returns runs on the loop afterwards.
void FileFill::run_on_pool(std::function<std::function<void()>()> step) {
  step_running_ = true;
  world_.pool.run([self = shared_from_this(), step = std::move(step)]() mutable {
    auto after = step();
    HttpLoop& loop = self->world_.loop;
    loop.post([self = std::move(self), after = std::move(after)] {
      self->step_running_ = false;
      if (self->stage_ != Stage::kDone) return after();
      self->partial_.reset();
      for (const auto& ended : std::exchange(self->ended_, {})) ended();
    });
  });
}

// --- Beginning -------------------------------------------------------------------------------------------------------

void FileFill::begin() {
  transfers_.set_sink([weak = weak_from_this()] { return weak.lock(); });
  file_->set_filling();
  tick_later();
  start();
}

void FileFill::start() {
  stage_ = Stage::kStarting;
  run_on_pool([this]() -> std::function<void()> {
    // Where room can be made, that comes before the floor.
    const auto floor = world_.options.ask_for_room ? std::nullopt : std::optional(world_.options.floor_bytes);
    auto start = std::make_shared<Result<FillStart>>(start_fill(*world_.root, target(), floor));
    return [this, start] { started(std::move(*start)); };
  });
}

void FileFill::started(Result<FillStart> start) {
  if (!start) return fail_all(start.error());
  if (start->blob) return complete(std::move(start->blob));
  partial_ = std::move(start->partial);
  const std::uint64_t first = next_room(target().size, partial_->present().total());
  if (!world_.options.ask_for_room || granted_ >= first) return ready();
  ask_for_room(first, [this](const Status& room) {
    const Status enough = room ? check_floor(*world_.root, world_.options.floor_bytes) : room;
    if (!enough) return fail_all(enough.error());
    ready();
  });
}

void FileFill::ready() {
  // A description of its own: the lock on the partial must end with this fill, not with the last reader.
  UniqueFd for_readers(::open(("/proc/self/fd/" + std::to_string(partial_->fd())).c_str(), O_RDONLY | O_CLOEXEC));
  if (!for_readers) return fail_all(fail_errno("partial download of " + name()).error());
  file_->set_descriptor(std::move(for_readers), partial_->present());
  hash_ = std::make_unique<RunningHash>(target());
  stage_ = Stage::kFilling;
  announced_ = resumed_ = !partial_->present().empty();
  // A partial file opens without asking.
  if (announced_ || target().size == 0) readers_.answer_opens({});
  look_for_header();
  readers_.answer_ready(*file_);
  schedule();
}

void FileFill::when_open(WaitId wait, FetchEngine::Done done) {
  open_ = true;
  last_used_ = Clock::now();
  if (stage_ == Stage::kDone || (partial_ && !partial_->present().empty())) {
    done({});
  } else {
    readers_.add_open(wait, std::move(done));
  }
  schedule();
}

void FileFill::when_here(WaitId wait, ByteRange range, FetchEngine::Done done) {
  range.end = std::min(range.end, target().size);
  open_ = true;
  last_used_ = Clock::now();
  pattern_.note(range);
  if (file_->has(range)) {
    done({});
  } else {
    // The time without a byte counts from when somebody waits for one.
    if (!readers_.any() && transfers_.empty()) last_byte_ = last_used_;
    readers_.add_reader(wait, range, std::move(done));
  }
  schedule();
}

void FileFill::when_complete(WaitId wait, FetchEngine::Done done) {
  if (stage_ == Stage::kDone) return done({});
  readers_.add_whole(wait, std::move(done));
  schedule();
}

void FileFill::cancel(WaitId wait) {
  // An open that is taken back leaves no handle that would be closed.
  if (readers_.cancel(wait) == FillReaders::Kind::kOpen && !readers_.any()) closed();
}

void FileFill::note_read(ByteRange range) {
  open_ = true;
  last_used_ = Clock::now();
  pattern_.note(range);
  schedule();
}

void FileFill::closed() {
  open_ = false;
  if (stage_ != Stage::kFilling) return;
  // Whoever opened it anew meanwhile is among the waiting. What a fill wants anyway goes on: ending a request throws away
  // what is in its connection.
  if (!readers_.any() && !filling_) transfers_.cancel_all();
  schedule();
}

void FileFill::stop_filling() {
  if (stage_ != Stage::kFilling) return;
  filling_ = false;
  transfers_.cancel_less_urgent_than(Urgency::kAhead);
  lock_.release();
  pattern_ = {};
  readers_.answer_wholes(fail(ErrorKind::kInterrupted, name() + ": the download was stopped"));
  schedule();
}

// --- What to ask for -------------------------------------------------------------------------------------------------

void FileFill::schedule() {
  if (stage_ == Stage::kStarting || stage_ == Stage::kDone) return;
  if (partial_->present().total() == target().size) {
    stage_ = Stage::kVerifying;
    // Another step may be running: whatever comes after it leads here again.
    if (!step_running_) verified_ ? try_publish() : feed_hash();
    return;
  }
  decide_on_fill();
  if (Clock::now() >= retry_at_) begin_requests();
}

void FileFill::decide_on_fill() {
  const bool wanted = readers_.any_whole() || (open_ && wants_fill(world_.options, target().size, pattern_));
  if (wanted && !filling_) {
    filling_ = true;
    checked_space_ = {};
    check_space(Clock::now());
  }
  // The lock is ours only while the rest is coming: between two tries others may have it.
  if (!filling_ || !room_) {
    lock_.release();
  } else if (Clock::now() >= retry_at_) {
    take_lock();
  } else if (transfers_.empty()) {
    lock_.release();
  }
}

// Reading it must not look like reading the file; and a safetensors header, whose length is known, comes in one piece.
void FileFill::look_for_header() {
  std::array<std::byte, 8> first{};
  if (header_known_ || target().size < first.size() || !partial_->present().contains({0, first.size()})) return;
  header_known_ = true;
  if (!pread_all(partial_->fd(), first, 0)) return;
  header_end_ = header_end(target().path.text(), target().size, first);
  pattern_.set_header_end(header_end_);
}

FillState FileFill::fill_state() const {
  FillState state;
  state.size = target().size;
  state.present = &partial_->present();
  state.on_its_way = transfers_.on_its_way();
  state.fill = filling_ && room_ && lock_.may_fill();
  state.worth_waiting = world_.pace.worth_waiting();
  state.cursor = pattern_.last_end();
  // Several requests from the start, also for files of a few chunks.
  const std::uint64_t share = state.size / static_cast<std::uint64_t>(std::max(1, world_.options.connections_per_file));
  state.chunk = std::clamp(world_.pace.chunk(), std::min(kSmallestShare, state.size + 1), std::max(share, kSmallestShare));
  const bool small = state.size <= world_.options.small_file && world_.options.fill != FillMode::kNever;
  const auto& waiting = readers_.readers();
  for (const FillReaders::Reader& reader : waiting) {
    std::uint64_t window = small ? state.size : pattern_.window_at(reader.range);
    // What is wanted anyway may come in larger pieces; while many wait, as large as arrive in the time of one more answer.
    if (state.fill) {
      const std::uint64_t piece = waiting.size() < kManyReaders ? Pace::kSmallestChunk : state.worth_waiting;
      window = std::max(window, std::min({state.chunk, Pace::kSmallestChunk, piece}));
    }
    state.wanted.push_back({reader.range, window, pattern_.follows(reader.range)});
  }
  // Who opens waits for the first answer; the first reads will be served by it.
  if (readers_.any_open() && state.size > 0) {
    state.wanted.push_back({{0, 1}, small ? state.size : ReadPattern::kFirstWindow, false});
  }
  if (!open_) return state;
  const bool exact = header_end_ > 0 && header_end_ <= kLargestHeaderAtOnce && target().path.text().ends_with(".safetensors");
  if (exact && pattern_.last_end() <= header_end_) state.header = {0, header_end_};
  for (const ReadPattern::Stream& stream : pattern_.streams()) {
    if (stream.window == 0) continue;
    // Who is reading the header need not go on behind it.
    const bool in_header = exact && stream.next <= header_end_;
    state.ahead.push_back({stream.next, in_header ? std::min(header_end_, stream.next + stream.window) : stream.next + stream.window});
  }
  return state;
}

void FileFill::begin_requests() {
  while (stage_ == Stage::kFilling) {
    const bool patient_full =
        transfers_.patient() >= world_.options.connections_per_file || world_.counts.patient >= world_.options.connections;
    const bool demand_full =
        transfers_.demand() >= kDemandPerFile || world_.counts.demand >= world_.options.demand_connections;
    const auto next = next_request(fill_state(), patient_full);
    if (!next) {
      // Perhaps there is something that nobody waits for; it gets its turn when another request has ended.
      if (patient_full && filling_) world_.hungry.insert(weak_from_this());
      return;
    }
    if (next->urgency == Urgency::kDemand && demand_full) {
      world_.hungry.insert(weak_from_this());
      return;
    }
    transfers_.start(*next);
  }
}

}  // namespace hubfs
