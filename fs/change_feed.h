// SPDX-License-Identifier: Apache-2.0
//
// What a change of a repo means for the names that the kernel knows: compares them with what the view says now, and has
// the notifier tell the kernel what is different. Called by whoever noticed a change (watching, a removal, a download).
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "core/base/thread_annotations.h"
#include "fs/inode_table.h"
#include "fs/notifier.h"
#include "fs/view.h"

namespace hubfs {

class ChangeFeed {
 public:
  /// `prefix` is the part of the view that is the root of the mount ("" or "models").
  ChangeFeed(View& view, InodeTable& inodes, Notifier& notifier, std::string prefix);

  /// The repo may have changed on disk: reads it again and tells the kernel what is different.
  void repo_changed(const RepoKey& key);
  /// The repo, or a commit, was removed through this mount. What the Hub had said of it is forgotten too, so that names
  /// which stood for that go, whether or not the disk was seen to change.
  void repo_removed(const RepoKey& key);
  /// Repos may have come or gone; those that did.
  std::vector<RepoKey> list_changed();
  /// Folders above the repos may have other permissions now.
  void check_permissions();

 private:
  struct Known;
  void take_change(const RepoKey& key, bool removed) REQUIRES(serial_);
  void compare_folders_of(const RepoKey& key, const std::vector<RevisionTreePtr>& before);
  void compare_shelves(RepoType type);
  void compare_plain(const NodePtr& dir);
  void compare_revision(const NodePtr& dir, const std::vector<RevisionTreePtr>& before);
  bool compare_known_children(const NodePtr& dir, const std::string& path);
  [[nodiscard]] std::string full_path(NodeId node) const;

  View& view_;
  InodeTable& inodes_;
  Notifier& notifier_;
  const std::string prefix_;
  Mutex serial_;  ///< one change at a time; held across disk reads, never while the kernel is called (the notifier queues)
};

/// Whether a name that leads to `node` in the kernel still does so in the view.
[[nodiscard]] bool same_node(const Node& node, const Target& target);
/// The key of a file's node: its identity, and whether it is complete (a file that becomes complete gets a new node).
[[nodiscard]] std::string file_key(const Target& target);
/// The key of a blob's node while it is not complete.
[[nodiscard]] std::string partial_file_key(const RepoKey& key, const BlobId& etag);

}  // namespace hubfs
