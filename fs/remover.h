// SPDX-License-Identifier: Apache-2.0
//
// What unlink and rmdir of the view do to the cache: a removal (fs/removal.h) is planned, checked and carried out. A
// refused removal changes nothing; a granted one is visible in the view before the call returns; deleting what was set
// aside goes on in a thread, and is tried again when it fails. Thread-safe: one removal at a time.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/cache/blob_uses.h"
#include "core/cache/kept.h"
#include "core/cache/removal.h"
#include "core/fetch/fetch_engine.h"
#include "fs/chores.h"
#include "fs/removal.h"
#include "fs/removal_ledger.h"
#include "fs/view.h"

namespace hubfs {

class Remover {
 public:
  /// `changed` is called after a removal, with no lock but removing_ held: other places that showed the repo must be
  /// looked at again.
  Remover(View& view, FetchEngine& engine, std::function<void(const RepoKey&)> changed);
  ~Remover();
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

  /// From now on removed things are kept that long (core/cache/kept.h). Called before the first removal.
  void keep_removed(std::chrono::seconds how_long);
  /// Deletes what was kept long enough, now and then. For processes that last.
  void begin_expiring();

  /// rm of `name` in a directory of the view.
  Status unlink(const DirSpec& dir, const std::string& name, const Caller& caller);
  /// rmdir of `name` in a directory; `path` is that of `name`, from the root of the whole view.
  Status rmdir(const DirSpec& dir, const std::string& dir_path, const std::string& name, const Caller& caller);

  /// What rm or rmdir of `name` would take from the cache. Errors as theirs, where there is nothing to plan.
  Result<Removal> plan(const DirSpec& dir, const std::string& dir_path, const std::string& name);
  /// Whether the caller may do it now: pins, rights, who is at work in it. hubfs's own downloads, which the removal would
  /// end, count as at work here.
  Status check(const Removal& removal, const Caller& caller);
  /// Checks it again and does it. What came into use since it was planned stays.
  Status carry_out(const Removal& removal, const Caller& caller);

  /// A file that some client fetched again is not hidden any more. Looks at the repo's hidden files soon, in a thread of
  /// its own; cheap where there are none.
  void end_hiding_later(const RepoKey& key);

  /// Waits until everything set aside is deleted (tests, unmount).
  void drain() { chores_.drain(); }
  [[nodiscard]] RemovalLedger& ledger() { return ledger_; }

 private:
  Status carry_out_locked(const Removal& removal, const Caller& caller) REQUIRES(removing_);
  Status remove_whole(const Removal& removal) REQUIRES(removing_);
  Status remove_commit(const Removal& removal) REQUIRES(removing_);
  Status remove_file(const Removal& removal) REQUIRES(removing_);
  void remove_folder(const Removal& removal) REQUIRES(removing_);
  Status remove_revision(const DirSpec& spec, const std::string& dir_path, const std::string& name, const Caller& caller);
  Status remove_plain_folder(const DirSpec& spec, const std::string& path);
  Status check_all(const Removal& removal, const Caller& caller) const;
  Status check_pinned(const RepoKey& key) const;
  void hide(const Removal& removal);
  void end_hiding(const RepoKey& key);
  void mark_removed(const Removal& removal);
  std::optional<KeptPlace> place_for(const Removal& removal);
  static Status apply(const RootRemoval& part, const std::optional<KeptPlace>& place, BlobUses* uses);
  void expire();
  void end_own_fetches(const Removal& removal);
  BlobUses& uses_of(const CacheRoot& root, const RepoKey& key) REQUIRES(removing_);
  UsesOf uses_of_repo(const RepoKey& key) REQUIRES(removing_);
  void forget_old_uses();
  void delete_set_aside(const CacheRootPtr& root, const std::shared_ptr<TrashTicket>& ticket, const std::string& what);
  void note_removed(const Removal& removal);
  Status noted(Status done, const std::string& what);

  View& view_;
  FetchEngine& engine_;
  const std::function<void(const RepoKey&)> changed_;
  RemovalLedger ledger_;
  std::unique_ptr<Keeping> keeping_;  ///< null: removed things are deleted
  std::chrono::seconds expiry_pause_{60};
  Mutex removing_;  ///< serialises removals; held across disk access, never while the kernel or the network is called
  // Of the repo from which files were removed last, until none was for a while: watches are not for ever.
  std::optional<RepoKey> uses_key_ GUARDED_BY(removing_);
  std::map<const CacheRoot*, std::unique_ptr<BlobUses>> uses_ GUARDED_BY(removing_);
  std::chrono::steady_clock::time_point uses_used_ GUARDED_BY(removing_);
  bool forgetting_ GUARDED_BY(removing_) = false;  ///< a chore that forgets uses_ is on its way
  bool settling_ GUARDED_BY(removing_) = false;    ///< a chore that settles the ledger is on its way
  Chores chores_;  ///< ends first: what it runs uses all above
};

}  // namespace hubfs
