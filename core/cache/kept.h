// SPDX-License-Identifier: Apache-2.0
//
// Removed things that are kept for a while (`-o trash=`, `hubfs rm --trash`) instead of being deleted: one record for
// each removal, in the private state, filled by rename. A record is a folder `kept/<id>` with a small file that says
// whose it is and until when it is kept, and with numbered folders that look like a repo folder: "whole.<n>" is a repo
// folder as it was, "part.<n>" holds what was taken out of one. They are brought back by core/cache/undo.h.
//
// Links into the shared store that lie in a record are no references for anybody: their payloads may go.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Which record a removal belongs to, and until when it is kept.
struct KeptPlace {
  std::string id;
  std::int64_t now_s = 0;       ///< unix time
  std::int64_t deadline_s = 0;  ///< unix time
};

/// What of one process decides how removals become records: those of one repo that follow each other belong together,
/// since `rm -r` removes file by file. Thread-safe.
class Keeping {
 public:
  explicit Keeping(std::chrono::seconds how_long) : how_long_(how_long) {}

  /// Where a removal goes that begins now; the same in every root. `last`: nothing of the repo is left after it, so
  /// what is removed from it later is another record's.
  KeptPlace place_for(const RepoKey& key, bool last);

 private:
  struct Open {
    std::string id;
    std::chrono::steady_clock::time_point used;
  };
  const std::chrono::seconds how_long_;
  Mutex mutex_;  ///< held across nothing
  std::map<RepoKey, Open> open_ GUARDED_BY(mutex_);
};

/// A record of one root that is being filled, and locked so long. Not thread-safe.
class KeptRecord {
 public:
  /// Makes the record, or goes on with it. kAccessDenied without private state, kBusy while it is being brought back.
  static Result<KeptRecord> open(const CacheRoot& root, const RepoKey& key, const KeptPlace& place);
  KeptRecord(KeptRecord&&) = default;
  KeptRecord& operator=(KeptRecord&&) = default;

  /// Takes a file, a link or a whole folder out of the repo; `path` is relative to the root. What cannot be renamed
  /// (a folder of a lower layer of an overlay mount) is an error, and stays.
  Status take(const std::string& path);
  /// Takes the whole repo folder, by one rename.
  Status take_repo();

 private:
  KeptRecord(const CacheRoot& root, RepoKey key, UniqueFd fd)
      : root_(&root), key_(std::move(key)), fd_(std::move(fd)) {}
  Status take_into(const std::string& folder, const std::string& path);
  Result<unsigned> next_number();

  const CacheRoot* root_;
  RepoKey key_;
  UniqueFd fd_;  ///< the record's folder; holds its lock
};

/// A record on disk.
struct KeptInfo {
  std::string id;
  RepoKey key;
  std::int64_t created_s = 0;
  std::int64_t added_s = 0;  ///< when something was added last
  std::int64_t deadline_s = 0;
  std::uint64_t bytes = 0;  ///< on disk
  std::uint64_t files = 0;  ///< blobs and real files
  bool whole = false;       ///< the repo as a whole is in it
};

/// All records, the oldest first. `problems` (may be null) gets a sentence for each that cannot be read; such are never
/// deleted.
std::vector<KeptInfo> list_kept(const CacheRoot& root, std::vector<std::string>* problems = nullptr);

/// Deletes a record if its time is over at `now_s`. Answers whether it is gone; false while it is being filled or
/// brought back, or is not due.
Result<bool> expire_kept(const CacheRoot& root, const std::string& id, std::int64_t now_s);
/// All that are due. Answers the first failure.
Status expire_all_kept(const CacheRoot& root, std::int64_t now_s);

/// The payloads of the shared store that links in records name.
std::set<XetHash> payloads_of_kept(const CacheRoot& root);

}  // namespace hubfs
