// SPDX-License-Identifier: Apache-2.0
//
// Notices what others do to the cache. A thread waits for inotify events and notes from the engine, lets a burst settle
// for a moment, and has the change feed look at the repos concerned; a repo that takes long to look at is looked at less
// often, so that a thousand changes one after the other do not cost a thousand looks. Where inotify cannot be had (watch limit, network
// file systems), it looks at everything every second instead, and followed() says so. Every second it looks whether the roots
// themselves are still there: a cache that is made anew, or whose volume comes back, is followed. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "core/base/thread_annotations.h"
#include "core/base/unique_fd.h"
#include "core/cache/watch.h"
#include "fs/change_feed.h"
#include "fs/view.h"

namespace hubfs {

class Follower {
 public:
  /// `followed` is called when following by events begins or ends; `looked` after a repo was looked at. Neither may block.
  Follower(View& view, ChangeFeed& feed, std::function<void(bool)> followed, std::function<void(const RepoKey&)> looked);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// Look at a repo soon. Never blocks.
  void note(const RepoKey& key);

 private:
  void run();
  bool watch_everything();
  void follow_roots();
  bool watch_repo(const RepoKey& key);
  void take_events();
  void take_memory();
  void look_at_dirty();
  void look_at(const RepoKey& key);
  [[nodiscard]] int wait_ms() const;
  void wake() const;

  View& view_;
  ChangeFeed& feed_;
  const std::function<void(bool)> on_followed_;
  const std::function<void(const RepoKey&)> on_looked_;
  std::unique_ptr<CacheWatch> watch_;       // thread_ only
  bool by_events_ = false;                  // thread_ only
  bool overflowed_ = false;                 // thread_ only
  std::chrono::steady_clock::time_point ways_due_;  // thread_ only
  std::chrono::steady_clock::time_point roots_due_;  // thread_ only
  std::map<std::uint64_t, RepoKey> tags_;   // thread_ only
  std::map<RepoKey, std::uint64_t> tag_of_; // thread_ only
  std::map<RepoKey, std::chrono::steady_clock::time_point> not_before_;  // thread_ only; of repos looked at just now
  UniqueFd wake_fd_;
  Mutex mutex_;  ///< guards what others note
  std::set<RepoKey> dirty_ GUARDED_BY(mutex_);
  bool list_dirty_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace hubfs
