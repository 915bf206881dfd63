// SPDX-License-Identifier: Apache-2.0
//
// Trees of the commits that somebody looked at. A tree stays until its repo changes or, when there are many, until it was
// not used for longest. Loading reads the disk and never the network. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/thread_annotations.h"
#include "core/catalog/library.h"
#include "core/fetch/remote_catalog.h"
#include "fs/revision_tree.h"

namespace hubfs {

using WaysPtr = std::shared_ptr<const std::vector<Way>>;

class TreeCache {
 public:
  TreeCache(const Library& library, const Memory& memory, RemoteCatalog& remote, PermissionOptions permissions);

  /// The tree of a commit; never null (an unknown repo gives an empty tree, or what the listing says).
  RevisionTreePtr get(const RepoKey& key, const CommitHash& commit);
  /// Trees of a repo are loaded anew when asked for next. Returns those that were there.
  std::vector<RevisionTreePtr> drop(const RepoKey& key);
  /// Trees of a repo that are being read right now are not kept (what they read may be older than a change just made).
  void outdate_loads(const RepoKey& key);
  /// What is loaded now, without loading.
  [[nodiscard]] std::vector<RevisionTreePtr> loaded(const RepoKey& key) const;

  /// The ways to the roots, in their order.
  [[nodiscard]] WaysPtr ways() const;
  /// Reads the ways again. When they are others, true, and all trees are loaded anew when asked for next.
  bool refresh_ways();
  [[nodiscard]] const PermissionOptions& permissions() const { return permissions_; }

 private:
  struct Item {
    RevisionTreePtr tree;
    std::uint64_t used = 0;
    std::uint64_t epoch = 0;
  };
  using Key = std::pair<RepoKey, CommitHash>;

  const Library& library_;
  const Memory& memory_;
  RemoteCatalog& remote_;
  const PermissionOptions permissions_;
  mutable Mutex mutex_;  ///< guards all below; never held while a tree is loaded
  WaysPtr ways_ GUARDED_BY(mutex_);
  std::map<Key, Item> trees_ GUARDED_BY(mutex_);
  std::map<RepoKey, std::uint64_t> epochs_ GUARDED_BY(mutex_);  ///< counts drops, so that a load that raced with one is not kept
  std::uint64_t clock_ GUARDED_BY(mutex_) = 0;
};

}  // namespace hubfs
