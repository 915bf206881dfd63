// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/file_fill.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <random>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/fetch/fill_policy.h"

namespace hubfs {

namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr auto kLockWithoutBytes = std::chrono::seconds(10);
constexpr auto kPauseForOthers = std::chrono::seconds(1);
constexpr auto kIdle = std::chrono::seconds(10);
constexpr auto kBetweenLooks = std::chrono::seconds(2);
constexpr int kDemandPerFile = 16;
constexpr int kBackgroundTries = 6;
constexpr std::uint64_t kSmallestShare = 1U << 20U;
// While many readers wait for places of their own, each gets a small piece.
constexpr std::size_t kManyReaders = 4;

std::chrono::milliseconds backoff(int failures) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const long long base = 250LL << std::min(failures - 1, 5);
  return std::chrono::milliseconds(base / 2 + static_cast<long long>(random() % static_cast<unsigned long>(base)));
}

}  // namespace

FileFill::FileFill(FillWorld& world, FetchFilePtr file, bool second_try)
    : world_(world),
      file_(std::move(file)),
      transfers_(world.loop, world.hub, world.pace, world.counts, file_->target()),
      second_try_(second_try),
      last_byte_(Clock::now()),
      last_used_(last_byte_),
      retry_at_(last_byte_),
      looked_for_blob_(last_byte_) {}

FileFill::~FileFill() {
  if (timer_ != 0) world_.loop.cancel_timer(timer_);
}

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
      if (auto ended = std::exchange(self->ended_, nullptr)) ended();
    });
  });
}

// --- Beginning -------------------------------------------------------------------------------------------------------

void FileFill::begin() {
  transfers_.set_sink([weak = weak_from_this()] { return weak.lock(); });
  file_->set_filling();
  timer_ = world_.loop.after(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  start();
}

void FileFill::start() {
  stage_ = Stage::kStarting;
  run_on_pool([this]() -> std::function<void()> {
    auto start = std::make_shared<Result<FillStart>>(start_fill(*world_.root, target(), world_.options.floor_bytes));
    return [this, start] { started(std::move(*start)); };
  });
}

void FileFill::started(Result<FillStart> start) {
  if (!start) return fail_all(start.error());
  if (start->blob) return complete(std::move(start->blob));
  partial_ = std::move(start->partial);
  // A description of its own: the lock on the partial must end with this fill, not with the last reader.
  UniqueFd for_readers(::open(("/proc/self/fd/" + std::to_string(partial_->fd())).c_str(), O_RDONLY | O_CLOEXEC));
  if (!for_readers) return fail_all(fail_errno("partial download of " + name()).error());
  file_->set_descriptor(std::move(for_readers), partial_->present());
  hash_ = std::make_unique<RunningHash>(target());
  stage_ = Stage::kFilling;
  announced_ = !partial_->present().empty();
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
  // Whoever opened it anew meanwhile is among the waiting.
  if (!readers_.any()) transfers_.cancel_less_urgent_than(Urgency::kDemand);
  if (!readers_.any() && !filling_) transfers_.cancel_all();
  schedule();
}

void FileFill::stop_filling() {
  if (stage_ != Stage::kFilling) return;
  filling_ = false;
  transfers_.cancel_less_urgent_than(Urgency::kAhead);
  lock_.reset();
  pattern_ = {};
  readers_.answer_wholes(fail(ErrorKind::kInterrupted, name() + ": the download was stopped"));
  schedule();
}

// --- What to ask for -------------------------------------------------------------------------------------------------

void FileFill::schedule() {
  if (stage_ != Stage::kFilling || abandoned_) return;
  if (partial_->present().total() == target().size) {
    stage_ = Stage::kVerifying;
    return verified_ ? try_publish() : feed_hash();
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
    lock_.reset();
  } else if (Clock::now() >= retry_at_) {
    take_lock();
  } else if (transfers_.empty()) {
    lock_.reset();
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
  state.fill = filling_ && room_ && (lock_ || no_locks_);
  state.worth_waiting = world_.pace.worth_waiting();
  state.cursor = pattern_.last_end();
  // Several requests from the start, also for files of a few chunks.
  const std::uint64_t share = state.size / static_cast<std::uint64_t>(std::max(1, world_.options.connections_per_file));
  state.chunk = std::clamp(world_.pace.chunk(), std::min(kSmallestShare, state.size + 1), std::max(share, kSmallestShare));
  const bool small = state.size <= world_.options.small_file && world_.options.fill != FillMode::kNever;
  const auto& waiting = readers_.readers();
  for (const FillReaders::Reader& reader : waiting) {
    std::uint64_t window = small ? state.size : pattern_.window_at(reader.range);
    // What is wanted anyway may come in larger pieces.
    if (state.fill && waiting.size() < kManyReaders) window = std::max(window, std::min(state.chunk, Pace::kSmallestChunk));
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

// --- What arrives ----------------------------------------------------------------------------------------------------

void FileFill::on_answer() { readers_.answer_opens({}); }

bool FileFill::on_arrived(ByteRange range, std::span<const std::byte> bytes) {
  if (stage_ != Stage::kFilling) return false;
  Status stored = pwrite_all(partial_->fd(), bytes, range.first);
  if (stored) stored = partial_->record(range);
  if (!stored) {
    world_.loop.post([weak = weak_from_this(), error = stored.error()] {
      if (const auto self = weak.lock()) self->fail_all(error);
    });
    return false;
  }
  file_->add_present(range);
  if (!announced_) {
    // From now on the file takes space and is shown as partly there.
    announced_ = true;
    static_cast<void>(partial_->flush_journal());
    world_.events.on_changed(target());
  }
  last_byte_ = Clock::now();
  failures_ = 0;
  if (!header_known_) look_for_header();
  if (!readers_.readers().empty()) readers_.answer_ready(*file_);
  feed_hash();
  return true;
}

void FileFill::on_over(bool whole, const HubResult<void>& result) {
  for (const auto& weak : std::exchange(world_.hungry, {})) {
    world_.loop.post([weak] {
      if (const auto fill = weak.lock()) fill->schedule();
    });
  }
  if (stage_ != Stage::kFilling || abandoned_) return;
  if (auto noted = partial_->flush_journal(); !noted) return fail_all(noted.error());
  if (!result && !whole && result.error().error.kind != ErrorKind::kInterrupted) note_failure(result.error());
  schedule();
}

void FileFill::note_failure(const HubError& error) {
  log::debug(name() + ": " + error.error.message);
  last_error_ = error.error;
  const bool hopeless = !error.retryable || world_.hub.options().offline;
  if (hopeless) return fail_all(error.error);
  // No way to the Hub: an open is answered at once, a read goes on trying. Other faults may pass within an open's time.
  if (error.error.kind == ErrorKind::kUnreachable) readers_.answer_opens(std::unexpected(error.error));
  // Requests that failed together are one failure.
  if (Clock::now() < retry_at_) return;
  ++failures_;
  auto wait = backoff(failures_);
  if (error.retry_after) wait = std::max<std::chrono::milliseconds>(wait, *error.retry_after);
  retry_at_ = Clock::now() + wait;
  const bool waited_for = !readers_.readers().empty() || readers_.any_open();
  if (!waited_for && failures_ > kBackgroundTries) fail_all(error.error);
}

// --- Time ------------------------------------------------------------------------------------------------------------

void FileFill::tick() {
  timer_ = world_.loop.after(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  const auto now = Clock::now();
  give_up_late_ones(now);
  if (stage_ != Stage::kFilling || abandoned_) return;
  // Python waits for this lock without a timeout: it is held only while bytes come.
  if (lock_ && now - last_byte_ > kLockWithoutBytes) {
    lock_.reset();
    retry_at_ = std::max(retry_at_, now + kPauseForOthers);
  }
  if (filling_) check_space(now);
  if (now - looked_for_blob_ > (other_holds_lock_ ? kTick : kBetweenLooks) && !step_running_) return look_for_blob_of_others();
  schedule();
  end_if_idle(now);
}

void FileFill::give_up_late_ones(Clock::time_point now) {
  const auto opened = readers_.oldest_open();
  if (opened && now - *opened > world_.options.open_gives_up_after) {
    Error late{ErrorKind::kTimeout,
               name() + ": no answer from the Hub within " + std::to_string(world_.options.open_gives_up_after.count()) + " s", 0};
    readers_.answer_opens(std::unexpected(last_error_.message.empty() ? std::move(late) : last_error_));
  }
  if (stage_ != Stage::kFilling || abandoned_) return;
  const auto& waiting = readers_.readers();
  const bool stuck = std::any_of(waiting.begin(), waiting.end(), [&](const FillReaders::Reader& reader) {
    return now - std::max(reader.since, last_byte_) > world_.options.give_up_after;
  });
  if (!stuck) return;
  fail_all(last_error_.message.empty() ? Error{ErrorKind::kTimeout, name() + ": nothing came from the Hub", 0} : last_error_);
}

// The header of a file may be read with less room than the file needs; the rest begins only with room for all of it, and
// stops when the floor is reached.
void FileFill::check_space(Clock::time_point now) {
  if (now - checked_space_ < kBetweenLooks || !partial_) return;
  checked_space_ = now;
  const std::uint64_t missing = target().size - partial_->present().total();
  const bool room = has_room_for(*world_.root, room_ && announced_ && lock_ ? 0 : missing, world_.options.floor_bytes);
  if (room == room_) return;
  room_ = room;
  if (room) {
    file_->set_hindrance("");
    return;
  }
  const Error error{ErrorKind::kNoSpace,
                    name() + ": not downloaded to its end, since " + world_.root->path() + " has no room for it; make room, for example with `hubfs rm`", 0};
  log::warn(error.message);
  file_->set_hindrance(error.message);
  transfers_.cancel_less_urgent_than(Urgency::kAhead);
  readers_.answer_wholes(std::unexpected(error));
}

// Another client may have published the same blob: then it is ours too.
void FileFill::look_for_blob_of_others() {
  looked_for_blob_ = Clock::now();
  run_on_pool([this]() -> std::function<void()> {
    auto blob = std::make_shared<std::optional<UniqueFd>>(adopt_blob(*world_.root, target()));
    return [this, blob] {
      if (*blob) return complete(std::move(**blob));
      schedule();
      if (stage_ == Stage::kFilling) feed_hash();
    };
  });
}

void FileFill::take_lock() {
  const auto now = Clock::now();
  if (lock_ || (other_holds_lock_ && now - lock_tried_ < kTick)) return;
  lock_tried_ = now;
  auto taken = BlobLock::try_acquire(*world_.root, target().key, target().etag);
  if (taken && *taken) {
    lock_ = std::move(**taken);
    other_holds_lock_ = false;
    last_byte_ = std::max(last_byte_, now);
    return;
  }
  other_holds_lock_ = taken.has_value();
  if (taken) return;
  // Without flock here no client excludes another; correctness rests on unique names and renames.
  no_locks_ = taken.error().kind == ErrorKind::kUnsupported;
  if (no_locks_ || !filling_) return;
  log::error(name() + ": cannot be downloaded to its end: " + taken.error().message);
  file_->set_hindrance(taken.error().message);
  filling_ = false;
  readers_.answer_wholes(std::unexpected(taken.error()));
}

// A fill for which nobody waits and that cannot go on is let go of; its partial stays.
void FileFill::end_if_idle(Clock::time_point now) {
  if (stage_ != Stage::kFilling || readers_.any() || !transfers_.empty() || lock_ || step_running_) return;
  if (now - std::max(last_byte_, last_used_) < kIdle) return;
  end();
}

// --- All here --------------------------------------------------------------------------------------------------------

void FileFill::feed_hash() {
  if (step_running_ || abandoned_ || !hash_ || verified_) return;
  const std::uint64_t here = partial_->present().run_end(0);
  if (stage_ != Stage::kVerifying && here < hash_->done() + RunningHash::kStep) return;
  const std::uint64_t to = std::min(here, hash_->done() + RunningHash::kLargestStep);
  const bool last = to == target().size;
  run_on_pool([this, to, last]() -> std::function<void()> {
    Status status = hash_->advance(partial_->fd(), to, over_);
    if (status && last) status = hash_->check(target());
    return [this, status, last] {
      if (last && stage_ == Stage::kFilling) stage_ = Stage::kVerifying;
      if (last) return verified(status);
      if (!status) return fail_all(status.error());
      feed_hash();
    };
  });
}

void FileFill::verified(const Status& status) {
  if (!status) return status.error().kind == ErrorKind::kBadContent ? start_over(status.error()) : fail_all(status.error());
  verified_ = true;
  file_->set_verified();
  readers_.answer_ready(*file_);
  try_publish();
}

// The bytes were wrong. Once more from nothing; whoever has seen some of them gets errors from now on.
void FileFill::start_over(const Error& error) {
  log::error(error.message);
  partial_->discard();
  partial_.reset();
  hash_.reset();
  const bool again = !second_try_;
  if (again && file_->start_over()) {
    second_try_ = true;
    announced_ = header_known_ = false;
    return start();
  }
  file_->set_tainted();
  fail_all(error);
  world_.events.on_tainted(target());
  if (again) world_.begin_again(target());
}

void FileFill::try_publish() {
  take_lock();
  if (!lock_ && !no_locks_) {
    // Another client is about to publish the same bytes: tick() looks for its blob and comes back here.
    stage_ = Stage::kFilling;
    return;
  }
  run_on_pool([this]() -> std::function<void()> {
    auto published = std::make_shared<Status>(publish(*world_.root, target(), *partial_));
    return [this, published] {
      if (*published) return complete(UniqueFd());
      // Readers have had their bytes: without a word here nobody would know why the file is not in the cache.
      log::error(name() + ": complete, but not published: " + published->error().message);
      fail_all(published->error());
    };
  });
}

// --- The end ---------------------------------------------------------------------------------------------------------

void FileFill::complete(UniqueFd blob) {
  const bool adopted = static_cast<bool>(blob);
  file_->set_complete(std::move(blob));
  if (adopted && partial_) partial_->discard();
  end();
  readers_.answer_all(*file_, {});
  world_.events.on_published(target());
}

void FileFill::fail_all(const Error& error) {
  if (stage_ == Stage::kDone) return;
  file_->set_failed(error);
  end();
  readers_.answer_all(*file_, std::unexpected(error));
}

// What every end has in common; readers are answered afterwards.
void FileFill::end() {
  stage_ = Stage::kDone;
  over_ = true;
  transfers_.cancel_all();
  lock_.reset();
  if (partial_ && file_->phase() != FetchFile::Phase::kComplete) {
    static_cast<void>(partial_->flush_journal());
    // A download that brought nothing leaves nothing.
    if (partial_->present().empty()) partial_->discard();
    world_.events.on_changed(target());
  }
  // Its lock must be free for the next fill of the file.
  if (!step_running_) partial_.reset();
  world_.finished(file_.get());
}

void FileFill::abandon(const Error& error, bool removed, std::function<void()> ended) {
  abandoned_ = true;
  fail_all(error);
  if (removed) file_->set_removed();
  if (step_running_) {
    ended_ = std::move(ended);
  } else {
    ended();
  }
}

}  // namespace hubfs
