// SPDX-License-Identifier: Apache-2.0
//
// Which blobs of a repo its snapshot entries need. Used by removals: errs on the side of "needed". Thread-safe (no
// state).
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <utility>

#include "core/cache/cache_root.h"
#include "core/cache/removal.h"
#include "core/model/ids.h"

namespace hubfs {

struct BlobUsage {
  bool complete = true;                      ///< false: some snapshot could not be read, so any blob may be needed
  std::set<std::string> etags;               ///< named by a link
  std::set<std::pair<dev_t, ino_t>> inodes;  ///< reached by a link that names no blob in a known spelling

  [[nodiscard]] bool needs(const CacheRoot& root, const RepoKey& key, const BlobId& etag) const;
};

class BlobUses;

/// What is needed at one moment apart from what a plan removes: as `uses` has kept it, if the plan takes single entries
/// only and that can tell; else by a walk.
class NeededBlobs {
 public:
  NeededBlobs(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses);
  [[nodiscard]] bool contains(const BlobId& etag) const;

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
