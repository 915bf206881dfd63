// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/file_fill.h"

#include <fcntl.h>

#include <algorithm>
#include <random>

#include "core/base/file_io.h"
#include "core/base/log.h"

namespace hubfs {

namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr auto kLockWithoutBytes = std::chrono::seconds(10);
constexpr std::uint64_t kHashStep = 4U << 20U;
constexpr std::uint64_t kFirstWindow = 256U << 10U;
constexpr std::uint64_t kLargestWindow = 16U << 20U;
constexpr int kBackgroundTries = 6;

std::chrono::milliseconds backoff(int failures) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const long long base = 250LL << std::min(failures, 5);
  return std::chrono::milliseconds(base + static_cast<long long>(random() % 250));
}

}  // namespace

// Hands what arrives to the fill, as long as that is there.
class FileFill::Receiver : public RangeHandler {
 public:
  Receiver(std::weak_ptr<FileFill> fill, std::list<Transfer>::iterator transfer) : fill_(std::move(fill)), transfer_(transfer) {}

  bool on_head(const FileHead& /*head*/) override {
    const auto fill = fill_.lock();
    if (!fill) return false;
    fill->answer_open({});
    return true;
  }
  bool on_bytes(std::span<const std::byte> bytes) override {
    const auto fill = fill_.lock();
    return fill && fill->received(*transfer_, bytes);
  }
  void on_end(const HubResult<void>& result) override {
    if (const auto fill = fill_.lock()) fill->transfer_ended(transfer_, result);
  }

 private:
  std::weak_ptr<FileFill> fill_;
  std::list<Transfer>::iterator transfer_;
};

FileFill::FileFill(FillWorld& world, FetchFilePtr file)
    : world_(world), file_(std::move(file)), last_byte_(Clock::now()), began_(last_byte_), retry_at_(last_byte_) {}

FileFill::~FileFill() {
  world_.running -= static_cast<int>(transfers_.size());
  if (timer_ != 0) world_.loop.cancel_timer(timer_);
}

// `step` runs on the pool; what it returns runs on the loop afterwards.
void FileFill::run_on_pool(std::function<std::function<void()>()> step) {
  step_running_ = true;
  world_.pool.run([self = shared_from_this(), step = std::move(step)]() mutable {
    auto after = step();
    HttpLoop& loop = self->world_.loop;
    loop.post([self = std::move(self), after = std::move(after)] {
      self->step_running_ = false;
      if (self->abandoned_) {
        if (auto ended = std::exchange(self->ended_, nullptr)) ended();
        return;
      }
      after();
    });
  });
}

void FileFill::begin() {
  file_->set_filling();
  timer_ = world_.loop.after(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  run_on_pool([this]() -> std::function<void()> {
    auto start = std::make_shared<Result<FillStart>>(start_fill(*world_.root, file_->target(), world_.options.floor_bytes));
    return [this, start] { started(std::move(*start)); };
  });
}

void FileFill::started(Result<FillStart> start) {
  if (!start) return fail_all(start.error());
  if (start->blob) return complete(std::move(start->blob));
  partial_ = std::move(start->partial);
  UniqueFd own(::fcntl(partial_->fd(), F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_all(fail_errno("partial download").error());
  file_->set_descriptor(std::move(own), partial_->present());
  hash_ = std::make_unique<RunningHash>(file_->target());
  stage_ = Stage::kFilling;
  // A partial file opens without asking.
  if (!partial_->present().empty() || file_->target().size == 0) answer_open({});
  answer_readers();
  schedule();
}

void FileFill::when_open(FetchEngine::Done done) {
  if (stage_ == Stage::kDone || (partial_ && !partial_->present().empty())) return done({});
  open_waiters_.push_back(std::move(done));
  began_ = Clock::now();
  schedule();
}

void FileFill::when_here(ByteRange range, FetchEngine::Done done) {
  range.end = std::min(range.end, file_->target().size);
  if (file_->has(range)) return done({});
  window_ = range.first == cursor_ ? std::min(kLargestWindow, std::max(kFirstWindow, window_ * 2)) : kFirstWindow;
  cursor_ = range.end;
  if (readers_.empty()) last_byte_ = std::max(last_byte_, Clock::now());
  readers_.push_back({range, std::move(done), Clock::now()});
  schedule();
}

void FileFill::when_complete(FetchEngine::Done done) {
  if (stage_ == Stage::kDone) return done({});
  complete_waiters_.push_back(std::move(done));
  schedule();
}

void FileFill::reader_at(std::uint64_t offset) { cursor_ = offset; }

FillState FileFill::fill_state() const {
  FillState state;
  state.size = file_->target().size;
  state.present = &partial_->present();
  for (const Transfer& transfer : transfers_) state.on_its_way.push_back({transfer.next, transfer.end});
  for (const Reader& reader : readers_) state.wanted.push_back(reader.range);
  // Who opens waits for the first answer, also while another process downloads the file.
  if (!open_waiters_.empty() && state.size > 0) state.wanted.push_back({0, 1});
  state.cursor = cursor_;
  state.fill = lock_.has_value();
  // Several requests from the start, also for files of a few chunks.
  const std::uint64_t share = state.size / static_cast<std::uint64_t>(world_.options.connections_per_file);
  state.chunk = std::clamp<std::uint64_t>(share, 2U << 20U, world_.options.chunk_bytes);
  state.demand_window = std::max(window_, kFirstWindow);
  return state;
}

void FileFill::schedule() {
  if (stage_ != Stage::kFilling || abandoned_) return;
  if (partial_->present().total() == file_->target().size) {
    stage_ = Stage::kVerifying;
    return verified_ ? try_publish() : feed_hash();
  }
  take_lock();
  if (Clock::now() < retry_at_) return;
  while (true) {
    // A reader's request may exceed the bounds by one for each file: it must not queue behind background work.
    const bool full = static_cast<int>(transfers_.size()) >= world_.options.connections_per_file ||
                      world_.running >= world_.options.connections;
    const auto next = next_request(fill_state(), full);
    if (!next) return;
    if (full && static_cast<int>(transfers_.size()) > world_.options.connections_per_file) return;
    start_transfer(*next);
    if (stage_ != Stage::kFilling) return;
  }
}

void FileFill::take_lock() {
  if (lock_) return;
  auto taken = BlobLock::try_acquire(*world_.root, file_->target().key, file_->target().etag);
  if (taken && *taken) {
    lock_ = std::move(**taken);
    other_holds_lock_ = false;
  } else {
    other_holds_lock_ = taken.has_value();
    if (!taken) log::debug("lock: " + taken.error().message);
  }
}

void FileFill::start_transfer(const NextRequest& request) {
  if (request.shorten) {
    auto running = transfers_.begin();
    std::advance(running, static_cast<std::ptrdiff_t>(*request.shorten));
    running->end = request.range.first;
  }
  const auto transfer = transfers_.emplace(transfers_.end());
  transfer->next = request.range.first;
  transfer->end = request.range.end;
  ++world_.running;
  const FetchTarget& target = file_->target();
  transfer->call = world_.hub.fetch({target.key, target.commit, target.path, target.size, request.range.first, request.range.end - 1},
                                    std::make_unique<Receiver>(weak_from_this(), transfer));
}

bool FileFill::received(Transfer& transfer, std::span<const std::byte> bytes) {
  if (stage_ != Stage::kFilling) return false;
  // A shortened request delivers no more than up to where another one took over.
  const std::uint64_t room = transfer.end > transfer.next ? transfer.end - transfer.next : 0;
  if (bytes.size() > room) bytes = bytes.first(static_cast<std::size_t>(room));
  if (bytes.empty()) return false;
  const ByteRange range{transfer.next, transfer.next + bytes.size()};
  Status stored = pwrite_all(partial_->fd(), bytes, range.first);
  if (stored) stored = partial_->record(range);
  if (!stored) {
    world_.loop.post([weak = weak_from_this(), error = stored.error()] {
      if (const auto self = weak.lock()) self->fail_all(error);
    });
    return false;
  }
  file_->add_present(range);
  transfer.next = range.end;
  if (!announced_) {
    // From now on the file takes space and is shown as partly there.
    announced_ = true;
    static_cast<void>(partial_->flush_journal());
    world_.events.on_changed(file_->target());
  }
  last_byte_ = Clock::now();
  failures_ = 0;
  if (!readers_.empty()) answer_readers();
  feed_hash();
  return transfer.next < transfer.end;
}

void FileFill::transfer_ended(std::list<Transfer>::iterator transfer, const HubResult<void>& result) {
  if (stage_ == Stage::kDone) return;  // let go of already
  const bool whole = transfer->next >= transfer->end;
  // The call that is ending is the one we are called from: it is let go of on the next turn.
  auto gone = std::make_shared<std::list<Transfer>>();
  gone->splice(gone->begin(), transfers_, transfer);
  world_.loop.post([gone] {});
  --world_.running;
  if (stage_ != Stage::kFilling || abandoned_) return;
  if (auto noted = partial_->flush_journal(); !noted) return fail_all(noted.error());
  if (!result && !whole && result.error().error.kind != ErrorKind::kInterrupted) note_failure(result.error());
  schedule();
}

void FileFill::note_failure(const HubError& error) {
  log::debug(file_->target().key.text() + "/" + file_->target().path.text() + ": " + error.error.message);
  last_error_ = error.error;
  if (!error.retryable) return fail_all(error.error);
  // No way to the Hub: an open is answered at once, a read goes on trying. Other faults may pass within an open's time.
  if (error.error.kind == ErrorKind::kUnreachable) answer_open(std::unexpected(error.error));
  ++failures_;
  auto wait = backoff(failures_);
  if (error.retry_after) wait = std::max<std::chrono::milliseconds>(wait, *error.retry_after);
  retry_at_ = Clock::now() + wait;
  const bool hopeless = world_.hub.options().offline;
  if (readers_.empty() && open_waiters_.empty() && (hopeless || failures_ > kBackgroundTries)) return fail_all(error.error);
  if (hopeless) return fail_all(error.error);
}

void FileFill::tick() {
  timer_ = world_.loop.after(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  const auto now = Clock::now();
  if (!open_waiters_.empty() && now - began_ > world_.options.open_gives_up_after) {
    Error late{ErrorKind::kTimeout, file_->target().path.text() + ": no answer from the Hub within " +
                                        std::to_string(world_.options.open_gives_up_after.count()) + " s", 0};
    answer_open(std::unexpected(last_error_.message.empty() ? std::move(late) : last_error_));
  }
  if (stage_ != Stage::kFilling || abandoned_) return;
  const auto stuck = [&](const Reader& r) { return now - std::max(r.since, last_byte_) > world_.options.give_up_after; };
  if (std::any_of(readers_.begin(), readers_.end(), stuck)) {
    return fail_all(last_error_.message.empty() ? Error{ErrorKind::kTimeout, file_->target().path.text() + ": nothing came from the Hub", 0}
                                                : last_error_);
  }
  // Python waits for this lock without a timeout: it is held only while bytes come.
  if (lock_ && now - last_byte_ > kLockWithoutBytes) lock_.reset();
  if (other_holds_lock_ && !step_running_) {
    // Whoever holds it may have published: then his blob is ours.
    return run_on_pool([this]() -> std::function<void()> {
      auto blob = std::make_shared<std::optional<UniqueFd>>(adopt_blob(*world_.root, file_->target()));
      return [this, blob] {
        if (*blob) return complete(std::move(**blob));
        schedule();
        if (stage_ == Stage::kFilling) feed_hash();
      };
    });
  }
  if (failures_ > 0 && now >= retry_at_) schedule();
  end_if_idle();
}

// A fill that may not run in the background and for which nobody waits is let go of; its partial stays.
void FileFill::end_if_idle() {
  const bool waited_for = !readers_.empty() || !open_waiters_.empty() || !complete_waiters_.empty();
  if (waited_for || !transfers_.empty() || lock_ || step_running_) return;
  if (Clock::now() - last_byte_ < kLockWithoutBytes) return;
  fail_all(last_error_.message.empty() ? Error{ErrorKind::kUnreachable, "paused", 0} : last_error_);
}

void FileFill::feed_hash() {
  if (step_running_ || abandoned_ || !hash_ || verified_) return;
  const std::uint64_t size = file_->target().size;
  const std::uint64_t here = partial_->present().run_end(0);
  const bool last = stage_ == Stage::kVerifying;
  if (!last && here < hash_->done() + kHashStep) return;
  run_on_pool([this, here, last, size]() -> std::function<void()> {
    Status status = hash_->advance(partial_->fd(), here);
    if (status && last && here == size) status = hash_->check(file_->target());
    return [this, status, last] { last ? finish_verification(status) : hashed(status); };
  });
}

void FileFill::hashed(const Status& status) {
  if (!status) return fail_all(status.error());
  feed_hash();
}

void FileFill::finish_verification(const Status& status) {
  if (!status) {
    log::error(status.error().message);
    if (status.error().kind != ErrorKind::kBadContent) return fail_all(status.error());
    if (auto anew = partial_->start_anew(); !anew) return fail_all(anew.error());
    file_->clear_present();
    // Whoever has this file open may have read wrong bytes: he gets errors from now on. The next open begins anew.
    file_->set_tainted();
    return fail_all(status.error());
  }
  verified_ = true;
  file_->set_verified();
  answer_readers();
  try_publish();
}

void FileFill::try_publish() {
  take_lock();
  if (!lock_) {
    // Another client is about to publish the same bytes: tick() looks for its blob and comes back here.
    stage_ = Stage::kFilling;
    return;
  }
  run_on_pool([this]() -> std::function<void()> {
    auto published = std::make_shared<Status>(publish(*world_.root, file_->target()));
    return [this, published] { *published ? complete(UniqueFd()) : fail_all(published->error()); };
  });
}

void FileFill::complete(UniqueFd blob) {
  const bool adopted = static_cast<bool>(blob);
  stage_ = Stage::kDone;
  let_go_of_transfers();
  file_->set_complete(std::move(blob));
  if (adopted && partial_) remove_partial(*world_.root, file_->target().key, file_->target().etag);
  lock_.reset();
  answer_open({});
  answer_readers();
  for (auto& done : std::exchange(complete_waiters_, {})) done({});
  world_.events.on_published(file_->target());
  world_.finished(file_.get());
}

// Not on the spot: one of their callbacks may be on the stack.
void FileFill::let_go_of_transfers() {
  world_.running -= static_cast<int>(transfers_.size());
  auto gone = std::make_shared<std::list<Transfer>>(std::move(transfers_));
  transfers_.clear();
  world_.loop.post([gone] {});
}

void FileFill::fail_all(const Error& error) {
  if (stage_ == Stage::kDone) return;
  stage_ = Stage::kDone;
  let_go_of_transfers();
  if (partial_) static_cast<void>(partial_->flush_journal());
  // A download that brought nothing leaves nothing.
  if (partial_ && partial_->present().empty()) remove_partial(*world_.root, file_->target().key, file_->target().etag);
  lock_.reset();
  file_->set_failed(error);
  answer_open(std::unexpected(error));
  for (Reader& reader : std::exchange(readers_, {})) {
    // What has arrived is good to read, whatever became of the rest.
    reader.done(file_->has(reader.range) ? Status{} : std::unexpected(error));
  }
  for (auto& done : std::exchange(complete_waiters_, {})) done(std::unexpected(error));
  world_.events.on_changed(file_->target());
  world_.finished(file_.get());
}

void FileFill::abandon(const Error& error, bool removed, std::function<void()> ended) {
  abandoned_ = true;
  if (stage_ != Stage::kDone) {
    fail_all(error);
    if (removed) file_->set_removed();
  }
  if (step_running_) {
    ended_ = std::move(ended);
  } else {
    ended();
  }
}

void FileFill::answer_readers() {
  std::vector<FetchEngine::Done> ready;
  std::erase_if(readers_, [&](Reader& reader) {
    if (!file_->has(reader.range)) return false;
    ready.push_back(std::move(reader.done));
    return true;
  });
  for (auto& done : ready) done({});
}

void FileFill::answer_open(const Status& status) {
  for (auto& done : std::exchange(open_waiters_, {})) done(status);
}

}  // namespace hubfs
