// SPDX-License-Identifier: Apache-2.0
//
// What unlink and rmdir of the view do to the cache. A refused removal changes nothing; a granted one is visible in the
// view before the call returns; deleting what was set aside goes on in a thread. Thread-safe: one removal at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/cache/blob_uses.h"
#include "core/cache/removal.h"
#include "core/fetch/fetch_engine.h"
#include "fs/view.h"

namespace hubfs {

class Remover {
 public:
  /// `changed` is called after a removal, with no lock held: other places that showed the repo must be looked at again.
  Remover(View& view, FetchEngine& engine, std::function<void(const RepoKey&)> changed);
  ~Remover();
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

  /// rm of `name` in a directory of the view.
  Status unlink(const DirSpec& dir, const std::string& name, const Caller& caller);
  /// rmdir of `name` in a directory; `path` is that of `name`, from the root of the whole view.
  Status rmdir(const DirSpec& dir, const std::string& dir_path, const std::string& name, const Caller& caller);

  /// Waits until everything set aside is deleted (tests, unmount).
  void drain();

 private:
  Status remove_repo(const RepoKey& key, const Caller& caller);
  Status remove_commit(const RepoKey& key, const CommitHash& commit, const Caller& caller);
  Status remove_folder(const DirSpec& folder, const Caller& caller);
  void mark_in_loaded_trees(const RepoKey& key, const std::vector<CommitHash>& commits, const std::string& path);
  Status check_pinned(const RepoKey& key) const;
  BlobUses& uses_of(const CacheRoot& root, const RepoKey& key) REQUIRES(removing_);
  void forget_old_uses();
  void delete_later(std::function<void()> work);
  void run();

  View& view_;
  FetchEngine& engine_;
  const std::function<void(const RepoKey&)> changed_;
  Mutex removing_;  ///< serialises removals; held across disk access, never while the kernel or the network is called
  // Of the repo from which files were removed last, until none was for a while: watches are not for ever.
  std::optional<RepoKey> uses_key_ GUARDED_BY(removing_);
  std::map<const CacheRoot*, std::unique_ptr<BlobUses>> uses_ GUARDED_BY(removing_);
  std::chrono::steady_clock::time_point uses_used_ GUARDED_BY(removing_);
  Mutex mutex_;     ///< guards the queue of deletions
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool has_uses_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hubfs
