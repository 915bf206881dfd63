// SPDX-License-Identifier: Apache-2.0
//
// Which blobs of a repo its snapshot entries need. Used by removals: errs on the side of "needed". Thread-safe (no
// state).
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/cache/removal.h"
#include "core/model/ids.h"

namespace hubfs {

struct BlobUsage {
  std::string unread;                        ///< what could not be read, so that any blob may be needed; "": all was read
  std::optional<Error> failure;              ///< a failure that may pass: nothing can be said, and nothing should be removed
  std::map<std::string, std::string> etags;  ///< named by a link, with the first such link's path
  std::set<std::pair<dev_t, ino_t>> inodes;  ///< reached by a link that names no blob in a known spelling

  /// Why the blob is needed, as half a sentence; nullopt when it is not.
  [[nodiscard]] std::optional<std::string> need_of(const CacheRoot& root, const RepoKey& key, const BlobId& etag) const;
};

class BlobUses;

/// What is needed at one moment apart from what a plan removes: as `uses` has kept it, if the plan takes single entries
/// only and that can tell; else by a walk.
class NeededBlobs {
 public:
  NeededBlobs(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses);
  /// An error when that cannot be told at the moment; then need_of() is not asked.
  [[nodiscard]] Status status() const;
  /// Why the blob is needed, as half a sentence; nullopt when it is not.
  [[nodiscard]] std::optional<std::string> need_of(const BlobId& etag) const;

 private:
  const CacheRoot& root_;
  const RemovalPlan& plan_;
  const BlobUses* uses_ = nullptr;
  BlobUsage walked_;
};

/// Over every folder in snapshots/, whatever its name, except the snapshots and entries that `plan` removes.
BlobUsage blobs_in_use(const CacheRoot& root, const RemovalPlan& plan);

/// Names in snapshots/ that are links to one of the plan's snapshots, and would dangle without it.
std::vector<std::string> snapshot_aliases(const CacheRoot& root, const RemovalPlan& plan);

}  // namespace hubfs
