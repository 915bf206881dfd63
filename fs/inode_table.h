// SPDX-License-Identifier: Apache-2.0
//
// What the kernel knows: nodes by number, how often it has looked each up, and under which names. A node's number lives
// from its first look-up to its last forget and is never used again. A directory has one name; a file node stands for one
// blob in one phase (complete or not) and may have many names. st_ino is not the nodeid: see View.
// Thread-safe; no lock of the table is held while calling out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/base/thread_annotations.h"
#include "core/model/ids.h"

namespace hubfs {

using NodeId = std::uint64_t;
inline constexpr NodeId kRootNode = 1;

/// What a directory shows.
struct DirSpec {
  enum class Kind : std::uint8_t {
    kRoot,
    kShelf,     ///< models/, datasets/, spaces/, kernels/
    kFamily,    ///< models/<family>
    kHub,       ///< hub/
    kHubType,   ///< hub/datasets, hub/spaces, hub/kernels
    kHubOrg,    ///< hub/<org>, hub/datasets/<org>
    kRevision,  ///< a revision of a repo, or a folder in it
    kControl,   ///< .hubfs/
  };
  /// Which revision a kRevision place shows.
  enum class Select : std::uint8_t {
    kDefault,  ///< the repo's default revision, wherever it moves; stands for the whole repo in removals
    kRef,      ///< what a ref says now
    kCommit,   ///< one commit
  };
  Kind kind = Kind::kRoot;
  RepoType type = RepoType::kModel;
  std::string text;                   ///< family or org
  std::optional<RepoKey> key;         ///< kRevision
  Select select = Select::kDefault;
  std::string revision;               ///< ref name or commit
  std::string path;                   ///< inside the revision, "" for its top
  bool operator==(const DirSpec&) const = default;
};

/// A name in a directory.
struct Dentry {
  NodeId parent = 0;
  std::string name;
  bool operator==(const Dentry&) const = default;
};

/// One node. The fields up to `dir` never change; the rest belongs to the table's lock and is read through its methods.
struct Node {
  NodeId id = 0;
  std::optional<DirSpec> dir;  ///< set for directories
  std::string file_key;        ///< identity and phase of a file; "" for directories
};
using NodePtr = std::shared_ptr<const Node>;

class InodeTable {
 public:
  explicit InodeTable(DirSpec root);

  [[nodiscard]] NodePtr find(NodeId id) const;

  /// The node of a directory under a name, made if needed, with one more look-up. Another spec under the same name (a
  /// model went, another took its name) gets a new number.
  NodePtr look_up_dir(const Dentry& name, const DirSpec& spec);
  /// The node of a file, made if needed, with one more look-up and this name added to its names.
  NodePtr look_up_file(const Dentry& name, const std::string& file_key);
  /// Takes look-ups back; at zero the node is gone.
  void forget(NodeId id, std::uint64_t lookups);
  /// The name does not stand for its node any more (removed, or replaced by something else).
  void drop_name(const Dentry& name);

  /// Whether a file's bytes are those of the last time this was asked (or it never was), by a number that stands for them.
  bool same_content(NodeId id, std::uint64_t version);
  /// The node of a file, if the kernel knows it.
  [[nodiscard]] std::optional<NodeId> find_file(const std::string& file_key) const;
  /// Names under which the kernel may know a node (for a directory: at most one).
  [[nodiscard]] std::vector<Dentry> names_of(NodeId id) const;
  /// The node that a name stands for, if the kernel knows it.
  [[nodiscard]] NodePtr known(const Dentry& name) const;
  /// All directory nodes.
  [[nodiscard]] std::vector<NodePtr> directories() const;
  /// Names known below a directory.
  [[nodiscard]] std::vector<std::pair<std::string, NodePtr>> known_children(NodeId parent) const;
  /// "/"-joined names from the root, for st_ino of directories and messages; "" for the root.
  [[nodiscard]] std::string path_of(NodeId id) const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct Slot {
    std::shared_ptr<Node> node;
    std::uint64_t lookups = 0;
    std::uint64_t content = 0;  ///< version of its bytes when it was last opened; 0: never
    std::vector<Dentry> names;
  };
  struct DentryHash {
    std::size_t operator()(const Dentry& d) const {
      return std::hash<std::string>()(d.name) * 31 + std::hash<NodeId>()(d.parent);
    }
  };
  void set_name_locked(const Dentry& name, NodeId id) REQUIRES(mutex_);
  void drop_name_locked(const Dentry& name) REQUIRES(mutex_);

  mutable Mutex mutex_;  ///< guards all below
  NodeId next_ GUARDED_BY(mutex_) = kRootNode + 1;
  std::unordered_map<NodeId, Slot> nodes_ GUARDED_BY(mutex_);
  std::unordered_map<Dentry, NodeId, DentryHash> names_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, NodeId> files_ GUARDED_BY(mutex_);
  std::unordered_map<NodeId, std::unordered_set<std::string>> children_ GUARDED_BY(mutex_);  ///< names per directory
};

}  // namespace hubfs
