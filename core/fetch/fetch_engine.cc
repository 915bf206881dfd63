// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fetch_engine.h"

#include <atomic>
#include <chrono>
#include <future>
#include <map>

#include "core/cache/partial_file.h"
#include "core/fetch/file_fill.h"
#include "core/fetch/work_pool.h"

namespace hubfs {

namespace {

std::string id_of(const RepoKey& key, const BlobId& etag) { return key.text() + "/" + etag.text(); }
std::string id_of(const FetchTarget& target) { return id_of(target.key, target.etag); }
constexpr int kPoolThreads = 4;  // two may be busy with an fsync of gigabytes
constexpr auto kBetweenCleanings = std::chrono::minutes(30);

}  // namespace

struct FetchEngine::State : std::enable_shared_from_this<FetchEngine::State> {
  State(CacheRootPtr root, HttpLoop& loop, HubClient& hub, const FetchOptions& options, FetchEvents& events)
      : pool(kPoolThreads), world{std::move(root), loop, hub, pool, options, events, {}, {}, {}, {}, {}} {}

  WorkPool pool;
  FillWorld world;
  std::map<std::string, std::shared_ptr<FileFill>> fills;   // loop thread
  bool ended = false;                                       // loop thread
  std::atomic<WaitId> last_wait{0};
  std::atomic<bool> down{false};
  mutable Mutex mutex;  ///< guards files and the copies of counters; never held while calling out
  std::map<std::string, std::weak_ptr<FetchFile>> files GUARDED_BY(mutex);
  std::string last_error GUARDED_BY(mutex);

  // The file of a target as it is to be fetched from now on. On the loop's thread: between a look at it and the begin of its
  // fill it could be removed, and another one take its place.
  FetchFilePtr join(const FetchTarget& target) {
    const MutexLock lock(mutex);
    // Forgets what nobody holds any more, now and then.
    if (files.size() > 4096) std::erase_if(files, [](const auto& item) { return item.second.expired(); });
    auto& slot = files[id_of(target)];
    FetchFilePtr file = slot.lock();
    if (file && !file->tainted() && file->phase() != FetchFile::Phase::kRemoved && file->phase() != FetchFile::Phase::kComplete) return file;
    file = std::make_shared<FetchFile>(target, world.options.verify_before_read);
    slot = file;
    return file;
  }

  // The fill of a file, begun if there is none.
  std::shared_ptr<FileFill> fill_of(const FetchFilePtr& file, bool second_try = false) {
    auto& fill = fills[id_of(file->target())];
    if (!fill || fill->finished() || fill->file() != file) {
      // Whoever still waits for the other one must hear of its end.
      if (fill && !fill->finished()) fill->abandon({ErrorKind::kStale, file->target().path.text() + ": replaced", 0}, false, [] {});
      fill = std::make_shared<FileFill>(world, file, second_try);
      fill->begin();
    }
    return fill;
  }

  // The running fill of exactly this file; null when there is none.
  std::shared_ptr<FileFill> running(const FetchFilePtr& file) const {
    const auto it = fills.find(id_of(file->target()));
    return it != fills.end() && it->second->file() == file && !it->second->finished() ? it->second : nullptr;
  }

  void drop(FetchFile* file) {
    const std::string id = id_of(file->target());
    if (file->phase() == FetchFile::Phase::kFailed) {
      const MutexLock lock(mutex);
      last_error = file->error().message;
    }
    // Not now: the fill is on the stack.
    world.loop.post([self = shared_from_this(), id] {
      const auto it = self->fills.find(id);
      if (it != self->fills.end() && it->second->finished()) self->fills.erase(it);
    });
  }

  // For those who open it after the first try's bytes were wrong.
  void begin_again(const FetchTarget& target) {
    world.loop.post([self = shared_from_this(), target] {
      if (self->ended) return;
      const FetchFilePtr file = self->join(target);
      const auto fill = self->fill_of(file, true);
      // The file is kept as long as somebody waits for it.
      fill->when_complete(++self->last_wait, [file](const Status&) {});
    });
  }

  void clean_now_and_then() {
    pool.run([self = shared_from_this()] {
      const FetchOptions& options = self->world.options;
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const PartialLimits limits{std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                                 options.partial_age.count(),
                                 options.partial_total};
      for (const RepoKey& key : clean_partials(*self->world.root, limits)) self->world.events.on_cleaned(key);
      self->world.loop.post([self] {
        if (self->ended) return;
        self->world.loop.after(kBetweenCleanings, [weak = std::weak_ptr(self)] {
          if (const auto state = weak.lock()) state->clean_now_and_then();
        });
      });
    });
  }
};

FetchEngine::FetchEngine(CacheRootPtr root, HttpLoop& loop, HubClient& hub, FetchOptions options, FetchEvents& events)
    : state_(std::make_shared<State>(std::move(root), loop, hub, options, events)) {
  state_->world.finished = [state = state_.get()](FetchFile* file) { state->drop(file); };
  state_->world.begin_again = [state = state_.get()](const FetchTarget& target) { state->begin_again(target); };
}

void FetchEngine::begin_cleaning() { state_->clean_now_and_then(); }

namespace {

// Runs `work` on the loop and waits until it called what it is given.
void on_loop_and_wait(HttpLoop& loop, const std::function<void(std::function<void()>)>& work) {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  loop.post([work, done] { work([done] { done->set_value(); }); });
  future.wait();
}

// Abandons each of the fills and calls `ended` after the last one came to rest.
void abandon_all(const std::vector<std::shared_ptr<FileFill>>& fills, const Error& error, bool removed,
                 const std::function<void()>& ended) {
  auto left = std::make_shared<std::size_t>(fills.size() + 1);
  const auto one_less = [left, ended] {
    if (--*left == 0) ended();
  };
  for (const auto& fill : fills) fill->abandon(error, removed, one_less);
  one_less();
}

}  // namespace

FetchEngine::~FetchEngine() { shut_down(); }

void FetchEngine::shut_down() {
  if (state_->down.exchange(true)) return;
  on_loop_and_wait(state_->world.loop, [state = state_](const std::function<void()>& ended) {
    state->ended = true;
    std::vector<std::shared_ptr<FileFill>> all;
    for (const auto& [id, fill] : state->fills) all.push_back(fill);
    abandon_all(all, {ErrorKind::kUnreachable, "the file system is being unmounted", 0}, false, [state, ended] {
      state->fills.clear();
      ended();
    });
  });
  state_->pool.drain();
}

WaitId FetchEngine::new_wait() { return ++state_->last_wait; }

const FetchOptions& FetchEngine::options() const { return state_->world.options; }

void FetchEngine::open(const FetchTarget& target, WaitId wait, std::function<void(Result<FetchFilePtr>)> opened) {
  state_->world.loop.post([state = state_, target, wait, opened = std::move(opened)] {
    if (state->ended) return opened(fail(ErrorKind::kUnreachable, "the file system is being unmounted"));
    const FetchFilePtr file = state->join(target);
    state->fill_of(file)->when_open(wait, [file, opened](const Status& status) {
      opened(status ? Result<FetchFilePtr>(file) : std::unexpected(status.error()));
    });
  });
}

void FetchEngine::close(const FetchFilePtr& file) {
  state_->world.loop.post([state = state_, file] {
    if (const auto fill = state->running(file)) fill->closed();
  });
}

void FetchEngine::fetch_all(const FetchTarget& target, Done done) {
  state_->world.loop.post([state = state_, target, done = std::move(done)]() mutable {
    if (state->ended) return done(fail(ErrorKind::kUnreachable, "the file system is being unmounted"));
    const FetchFilePtr file = state->join(target);
    // The file is kept as long as somebody waits for it.
    state->fill_of(file)->when_complete(++state->last_wait, [file, done = std::move(done)](const Status& status) { done(status); });
  });
}

void FetchEngine::stop_filling(const FetchFilePtr& file) {
  state_->world.loop.post([state = state_, file] {
    if (const auto fill = state->running(file)) fill->stop_filling();
  });
}

void FetchEngine::wait_for(const FetchFilePtr& file, ByteRange range, WaitId wait, Done done) {
  state_->world.loop.post([state = state_, file, range, wait, done = std::move(done)]() mutable {
    const FetchFile::Phase phase = file->phase();
    if (file->tainted()) return done(std::unexpected(file->error()));
    if (file->has(range)) return done({});
    if (phase == FetchFile::Phase::kRemoved) {
      return done(fail(ErrorKind::kStale, file->target().path.text() + " was removed while it was being read"));
    }
    if (state->ended) return done(fail(ErrorKind::kUnreachable, "the file system is being unmounted"));
    state->fill_of(file)->when_here(wait, range, std::move(done));
  });
}

void FetchEngine::cancel(WaitId wait) {
  state_->world.loop.post([state = state_, wait] {
    for (const auto& [id, fill] : state->fills) fill->cancel(wait);
  });
}

void FetchEngine::note_read(const FetchFilePtr& file, ByteRange range) {
  if (file->phase() != FetchFile::Phase::kFilling) return;
  state_->world.loop.post([state = state_, file, range] {
    if (const auto fill = state->running(file)) fill->note_read(range);
  });
}

namespace {
template <typename Match>
std::vector<std::shared_ptr<FileFill>> matching(const std::map<std::string, std::shared_ptr<FileFill>>& fills, const Match& match) {
  std::vector<std::shared_ptr<FileFill>> found;
  for (const auto& [id, fill] : fills) {
    if (match(fill->file()->target())) found.push_back(fill);
  }
  return found;
}
}  // namespace

void FetchEngine::forget(const std::function<bool(const FetchTarget&)>& match) {
  on_loop_and_wait(state_->world.loop, [state = state_, match](const std::function<void()>& ended) {
    {
      const MutexLock lock(state->mutex);
      for (auto& [id, weak] : state->files) {
        if (const FetchFilePtr file = weak.lock(); file && match(file->target())) file->set_removed();
      }
    }
    abandon_all(matching(state->fills, match), {ErrorKind::kStale, "removed while it was being downloaded", 0}, true, ended);
  });
}

void FetchEngine::forget_repo(const RepoKey& key) {
  forget([key](const FetchTarget& target) { return target.key == key; });
}

void FetchEngine::forget_blob(const RepoKey& key, const BlobId& etag) {
  forget([key, etag](const FetchTarget& target) { return target.key == key && target.etag == etag; });
}

void FetchEngine::forget_commit(const RepoKey& key, const CommitHash& commit) {
  forget([key, commit](const FetchTarget& target) { return target.key == key && target.commit == commit; });
}

FetchFilePtr FetchEngine::find(const RepoKey& key, const BlobId& etag) const {
  const MutexLock lock(state_->mutex);
  const auto it = state_->files.find(id_of(key, etag));
  if (it == state_->files.end()) return nullptr;
  FetchFilePtr file = it->second.lock();
  if (!file || file->phase() == FetchFile::Phase::kRemoved || file->phase() == FetchFile::Phase::kComplete) return nullptr;
  return file;
}

FetchStatus FetchEngine::status() const {
  FetchStatus status;
  const MutexLock lock(state_->mutex);
  status.last_error = state_->last_error;
  for (const auto& [id, weak] : state_->files) {
    const FetchFilePtr file = weak.lock();
    if (!file || file->phase() == FetchFile::Phase::kComplete || file->phase() == FetchFile::Phase::kRemoved) continue;
    const std::string hindrance = file->hindrance();
    status.active.push_back({file->target().key.text(), file->target().path.text(), file->target().size,
                             file->present_bytes(), hindrance.empty() ? file->error().message : hindrance});
  }
  return status;
}

}  // namespace hubfs
