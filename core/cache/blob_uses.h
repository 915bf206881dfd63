// SPDX-License-Identifier: Apache-2.0
//
// How often the snapshot entries of one repo name each blob, kept from one removal of a file to the next: `rm -r` of a
// thousand files would else walk all snapshots two thousand times. Counted by one walk; from then on every folder below
// snapshots/ is watched, and each answer first takes what happened since: a name that went lowers its count, whoever
// removed it, and anything else (a new name, a rename, lost events, another snapshots/) makes the next answer count
// anew. So an answer is never older than the one a walk would give. Where that cannot be kept up (volumes without
// events, no watches left, entries that are not plain links to a blob of the repo) it says so, and the caller walks.
// Used by removals only. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/cache/cache_root.h"
#include "core/cache/removal.h"
#include "core/cache/watch.h"
#include "core/model/ids.h"

namespace hubfs {

class BlobUses {
 public:
  /// `root` outlives it.
  BlobUses(const CacheRoot& root, RepoKey key) : root_(root), key_(std::move(key)) {}
  BlobUses(const BlobUses&) = delete;
  BlobUses& operator=(const BlobUses&) = delete;

  /// Brings the counts up to this moment. False: they cannot be kept for this repo, now or later.
  bool look();
  /// Whether an entry names the blob, apart from the single entries that `plan` removes. After look() answered true.
  [[nodiscard]] bool needs(const BlobId& etag, const RemovalPlan& plan) const;
  /// How often all snapshots were walked (tests).
  [[nodiscard]] int walks() const { return walks_; }

 private:
  using Identity = std::pair<dev_t, ino_t>;
  bool take_events();
  bool count_all();
  bool count_folder(int fd, const std::string& path, int depth);
  bool count_entry(int fd, const std::string& path, std::string_view name);
  bool watch_folder(const std::string& path);
  void drop_name(const std::string& path);

  const CacheRoot& root_;
  const RepoKey key_;
  bool hopeless_ = false;
  int walks_ = 0;
  std::unique_ptr<CacheWatch> watch_;  // null: nothing is counted
  Identity snapshots_{};
  std::vector<std::string> folders_;                     // by the tag of their watch; the first is snapshots/
  std::unordered_map<std::string, std::string> names_;   // path of an entry to the etag it names
  std::unordered_map<std::string, std::size_t> counts_;  // by etag
};

}  // namespace hubfs
