// SPDX-License-Identifier: Apache-2.0
//
// The view: which names there are, what they stand for, and their attributes; in our own types, without a FUSE type in
// it. Nothing here waits for the network: a question that only the Hub can answer comes back as a Need, the caller asks
// RemoteCatalog and calls again. Thread-safe.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/base/error.h"
#include "core/catalog/library.h"
#include "core/fetch/remote_catalog.h"
#include "fs/inode_table.h"
#include "fs/revision_tree.h"
#include "fs/tree_cache.h"

namespace hubfs {

struct ViewOptions {
  bool show_all = true;                 ///< false: only what is cached is listed, and nothing is asked of the Hub for it
  bool offline = false;
  std::string subtree;                  ///< part of the view that is the root ("" or "models/llama")
  PermissionOptions permissions;
};

/// Attributes as the kernel wants them.
struct Attr {
  std::uint64_t ino = 0;
  mode_t mode = 0;
  std::uint32_t nlink = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;
  std::int64_t mtime_ns = 0;
};

/// What a name stands for: a directory, a file of a revision, or a file of `.hubfs`.
struct Target {
  std::optional<DirSpec> dir;
  // For a file of a revision:
  RevisionTreePtr tree;              ///< keeps `file` alive
  const TreeFile* file = nullptr;
  std::string control;               ///< name of a file in .hubfs/
  Attr attr;
  bool changing = false;             ///< attributes may change without notice: a download is running, a file somebody writes
};

/// A question for the Hub that must be answered first.
struct Need {
  RepoKey key;
  std::optional<CommitHash> list;    ///< list this commit …
  std::string resolve;               ///< … or resolve this revision
};

/// nullopt inside: no such name. Error: may not, or the Hub said no (then of the kind it said).
using Lookup = std::variant<std::optional<Target>, Need, Error>;

struct Listed {
  std::string name;
  Target target;
};
using ReadDir = std::variant<std::vector<Listed>, Need, Error>;

class View {
 public:
  View(Library& library, Memory& memory, RemoteCatalog& remote, TreeCache& trees, ViewOptions options);

  /// What the root of the mount shows. kNotFound when `subtree` names nothing.
  Result<DirSpec> root() const;

  /// Resolves a name. `path` is the directory's path from the root (for st_ino). With `ask` false no Need is returned: what is
  /// not known is treated as not there.
  Lookup look_up(const DirSpec& dir, const std::string& path, const std::string& name, bool ask) const;
  ReadDir list(const DirSpec& dir, const std::string& path, bool ask) const;
  /// Attributes of a directory itself.
  [[nodiscard]] Attr dir_attr(const DirSpec& dir, const std::string& path) const;

  /// The commit that a kRevision place shows now.
  [[nodiscard]] std::optional<CommitHash> commit_of(const DirSpec& dir) const;
  /// Its tree; null when the place shows nothing any more.
  [[nodiscard]] RevisionTreePtr tree_of(const DirSpec& dir) const;
  /// Whether the place may show more at any time, without a change on disk: its listing is not known yet, and the Hub may
  /// be asked for it again.
  [[nodiscard]] bool may_grow(const DirSpec& dir) const;
  /// The ref to be written when the first file of the commit is published through this place.
  [[nodiscard]] std::optional<RefName> ref_of(const DirSpec& dir) const;
  /// Commits of the repo that a removal through this place concerns (all of them for kDefault places).
  [[nodiscard]] std::vector<CommitHash> commits_of(const DirSpec& dir) const;

  /// A folder (path from the root of the whole view: "models/llama") that a removal emptied stays visible until its rmdir, so that
  /// `rm -r` of it never meets ENOENT.
  void let_linger(const std::string& path);
  void end_linger(const std::string& path);

  [[nodiscard]] const ViewOptions& options() const { return options_; }
  [[nodiscard]] Library& library() const { return library_; }
  [[nodiscard]] Memory& memory() const { return memory_; }
  [[nodiscard]] RemoteCatalog& remote() const { return remote_; }
  [[nodiscard]] TreeCache& trees() const { return trees_; }

  /// Content of `.hubfs/<name>`; set by the mount, which knows what to report.
  std::function<std::string(const std::string& name)> control_content;

 private:
  Lookup look_up_in_root(const std::string& name) const;
  Lookup look_up_on_shelf(const DirSpec& dir, const std::string& name) const;
  Lookup look_up_in_family(const DirSpec& dir, const std::string& name) const;
  Lookup look_up_in_hub(const DirSpec& dir, const std::string& name) const;
  Lookup look_up_repo(RepoType type, const std::string& org, const std::string& name, bool ask) const;
  Lookup look_up_in_revision(const DirSpec& dir, const std::string& name, bool ask) const;
  Lookup revision_place(const RepoKey& key, const std::optional<std::string>& revision, bool ask) const;
  [[nodiscard]] std::optional<Need> need_listing(const DirSpec& dir, const RevisionTreePtr& tree) const;
  [[nodiscard]] std::optional<Target> found_dir(DirSpec dir, const std::string& parent_path, const std::string& name) const;
  [[nodiscard]] Target file_target(const RevisionTreePtr& tree, const TreeFile& file) const;
  [[nodiscard]] std::vector<std::pair<std::string, DirSpec>> plain_children(const DirSpec& dir, const std::string& path) const;
  void add_plain_children(const DirSpec& dir, std::vector<std::pair<std::string, DirSpec>>& found) const;
  [[nodiscard]] bool lingers(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> lingering_in(const std::string& path) const;

  Library& library_;
  Memory& memory_;
  RemoteCatalog& remote_;
  TreeCache& trees_;
  const ViewOptions options_;
  mutable Mutex mutex_;  ///< guards lingering_
  std::set<std::string> lingering_ GUARDED_BY(mutex_);
};

/// st_ino of a text that identifies something; never 0 or 1.
[[nodiscard]] std::uint64_t ino_of(const std::string& identity);

}  // namespace hubfs
