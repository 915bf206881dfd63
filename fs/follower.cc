// SPDX-License-Identifier: Apache-2.0
#include "fs/follower.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "core/base/log.h"

namespace hubfs {

namespace {

using Clock = std::chrono::steady_clock;

// Long enough that a burst (a snapshot being written) is looked at once, short enough that nobody notices.
constexpr auto kSettle = std::chrono::milliseconds(50);
// Looking takes at most a tenth of the time, but nothing waits longer for it than this.
constexpr int kRestPerLook = 9;
constexpr auto kMaxRest = std::chrono::milliseconds(1000);
constexpr int kIdlePollMs = 500;
constexpr int kPollingMs = 1000;
// Nothing tells when a folder above a root is closed.
constexpr auto kWaysEvery = std::chrono::milliseconds(1000);
constexpr auto kRootsEvery = std::chrono::milliseconds(1000);
constexpr std::uint64_t kRootTag = 0;
// Of the private state: what other mounts remember.
constexpr std::uint64_t kStateTag = ~std::uint64_t{0};

}  // namespace

Follower::Follower(View& view, ChangeFeed& feed, std::function<void(bool)> followed,
                   std::function<void(const RepoKey&)> looked)
    : view_(view),
      feed_(feed),
      on_followed_(std::move(followed)),
      on_looked_(std::move(looked)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Before the first request: what the kernel is given to remember is watched from the beginning.
  by_events_ = watch_everything();
  on_followed_(by_events_);
  thread_ = std::thread([this] { run(); });
}

Follower::~Follower() {
  stop_ = true;
  wake();
  thread_.join();
}

void Follower::wake() const {
  const std::uint64_t one = 1;
  static_cast<void>(::write(wake_fd_.get(), &one, sizeof one));
}

void Follower::note(const RepoKey& key) {
  {
    const MutexLock lock(mutex_);
    dirty_.insert(key);
  }
  wake();
}

bool Follower::watch_everything() {
  for (const CacheRootPtr& root : view_.library().roots()) {
    const auto why = unwatchable(root->fd());
    if (!why) continue;
    log::info(root->path() + " is on " + *why + ", where changes by others make no events: looking for them every second");
    return false;
  }
  auto watch = CacheWatch::create();
  if (!watch) {
    log::warn(watch.error().message);
    return false;
  }
  watch_ = std::move(*watch);
  for (const CacheRootPtr& root : view_.library().roots()) {
    if (auto added = watch_->add_dir(root->fd(), ".", kRootTag); !added) {
      log::warn(added.error().message);
      return false;
    }
  }
  // Without it what others remember is looked for with every idle round.
  if (const CacheRoot& first = *view_.library().roots().front(); first.has_state()) {
    static_cast<void>(watch_->add_dir(first.state_fd(), ".", kStateTag));
  }
  for (const RepoPtr& repo : view_.library().all()) {
    if (!watch_repo(repo->key)) return false;
  }
  return true;
}

// Nothing tells when a volume goes or comes back.
void Follower::follow_roots() {
  if (Clock::now() < roots_due_) return;
  bool changed = false;
  for (const CacheRootPtr& root : view_.library().roots()) {
    switch (root->follow()) {
      case CacheRoot::Change::kNone:
        continue;
      case CacheRoot::Change::kGone:
        log::warn(root->no_state().message + "; it is looked for every second");
        break;
      case CacheRoot::Change::kReplaced:
        log::info(root->path() + ": there is a cache again");
        break;
      case CacheRoot::Change::kWritable:
        log::info(root->path() + ": the cache can be written now");
        break;
    }
    changed = true;
  }
  roots_due_ = Clock::now() + kRootsEvery;
  if (!changed) return;
  by_events_ = watch_everything();
  on_followed_(by_events_);
  overflowed_ = true;
}

// What other mounts hid or pinned.
void Follower::take_memory() {
  const std::set<std::string> changed = view_.memory().reload();
  if (changed.empty()) return;
  for (const RepoPtr& repo : view_.library().all()) {
    if (!changed.contains(repo->key.text())) continue;
    const MutexLock lock(mutex_);
    dirty_.insert(repo->key);
  }
}

bool Follower::watch_repo(const RepoKey& key) {
  const auto [it, added] = tag_of_.try_emplace(key, tag_of_.size() + 1);
  if (added) tags_.emplace(it->second, key);
  const RepoPtr repo = view_.library().find(key);
  if (!repo) return true;
  for (const RepoCopy& copy : repo->copies) {
    std::vector<CommitHash> commits;
    for (const CommitOnDisk& commit : copy.disk.commits) commits.push_back(commit.commit);
    const auto folders = watch_dirs(*copy.root, key, commits);
    if (!folders) continue;
    for (const WatchDir& folder : *folders) {
      const Status watched = watch_->add_dir(copy.root->fd(), folder.path, it->second);
      if (watched || watched.error().kind != ErrorKind::kUnsupported) continue;
      log::warn(watched.error().message + "; until then changes by other programs show within a second or two");
      return false;
    }
  }
  return true;
}

void Follower::take_events() {
  watch_->drain([this](const WatchEvent& event) {
    if (event.overflow) {
      overflowed_ = true;
      return;
    }
    const MutexLock lock(mutex_);
    if (event.tag == kRootTag) {
      list_dirty_ = true;
      roots_due_ = {};  // it may be the root's own end
    } else if (const auto it = tags_.find(event.tag); it != tags_.end()) {
      dirty_.insert(it->second);
    }
  });
}

void Follower::look_at_dirty() {
  std::set<RepoKey> dirty;
  bool list = false;
  {
    const MutexLock lock(mutex_);
    dirty.swap(dirty_);
    list = std::exchange(list_dirty_, false);
  }
  if (overflowed_ || !by_events_) {
    list = true;
    for (const RepoPtr& repo : view_.library().all()) {
      // Without events only what somebody has looked at needs to be looked at again.
      if (overflowed_ || !view_.trees().loaded(repo->key).empty()) dirty.insert(repo->key);
    }
    overflowed_ = false;
  }
  if (const auto now = Clock::now(); list || now >= ways_due_) {
    feed_.check_permissions();
    ways_due_ = now + kWaysEvery;
  }
  if (list) {
    for (const RepoKey& key : feed_.list_changed()) dirty.insert(key);
  }
  std::erase_if(not_before_, [now = Clock::now()](const auto& item) { return item.second <= now; });
  for (const RepoKey& key : dirty) {
    if (!not_before_.contains(key)) {
      look_at(key);
      continue;
    }
    const MutexLock lock(mutex_);
    dirty_.insert(key);
  }
  if (const Status saved = view_.memory().flush(); !saved) log::warn("not saved: " + saved.error().message);
}

void Follower::look_at(const RepoKey& key) {
  // Watched first, read afterwards: what changes in between makes an event.
  if (by_events_ && !watch_repo(key)) {
    by_events_ = false;
    on_followed_(false);
  }
  const auto begin = Clock::now();
  feed_.repo_changed(key);
  on_looked_(key);
  const auto end = Clock::now();
  not_before_[key] = end + std::min<Clock::duration>((end - begin) * kRestPerLook, kMaxRest);
  if (!by_events_) return;
  // Reading may have shown folders (a new commit) that were not watched yet; what came into them meanwhile made no
  // event, so the repo is read once more.
  const std::size_t watched = watch_->size();
  by_events_ = watch_repo(key);
  if (!by_events_) on_followed_(false);
  if (watch_->size() != watched) note(key);
}

// Until the next repo that rests may be looked at again, or something is to be looked for.
int Follower::wait_ms() const {
  Clock::duration wait = std::chrono::milliseconds(by_events_ ? kIdlePollMs : kPollingMs);
  const auto now = Clock::now();
  for (const auto& [key, due] : not_before_) wait = std::clamp<Clock::duration>(due - now, Clock::duration::zero(), wait);
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
}

void Follower::run() {
  // A client may have fetched, while there was no mount, what had been hidden.
  for (const RepoPtr& repo : view_.library().all()) {
    if (!view_.memory().repo(repo->key).hidden.empty()) note(repo->key);
  }
  while (!stop_) {
    pollfd fds[2] = {{wake_fd_.get(), POLLIN, 0}, {watch_ ? watch_->fd() : -1, POLLIN, 0}};
    ::poll(fds, 2, wait_ms());
    if (stop_) return;
    const bool woken = (fds[0].revents | fds[1].revents) != 0;
    if (woken && by_events_) std::this_thread::sleep_for(kSettle);
    std::uint64_t count = 0;
    static_cast<void>(::read(wake_fd_.get(), &count, sizeof count));
    if (watch_) take_events();
    follow_roots();
    take_memory();
    look_at_dirty();
  }
}

}  // namespace hubfs
