// SPDX-License-Identifier: Apache-2.0
//
// All repos of a view, over all its cache roots: what is on disk of each, its shelf and name, its default revision, its
// folders in hub/. Entries are immutable and shared; a change on disk replaces the entry. Content of commits is not here
// (fs/revision_tree.h loads it when somebody looks). Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/thread_annotations.h"
#include "core/cache/cache_root.h"
#include "core/cache/partial_file.h"
#include "core/cache/repo_scan.h"
#include "core/catalog/memory.h"
#include "core/model/ids.h"

namespace hubfs {

/// A repo's folder in one of the roots.
struct RepoCopy {
  CacheRootPtr root;
  RepoOnDisk disk;
};

/// A folder of hub/: one commit under its first ref, or under as many of its digits as tell it from all others, at least 12.
struct HubFolder {
  std::string name;  ///< "<name>@<ref>" or "<name>@<12 hex or more>"
  CommitHash commit;
  auto operator<=>(const HubFolder&) const = default;
};

struct RepoEntry {
  RepoKey key;
  std::vector<RepoCopy> copies;                       ///< in the order of the roots; may be empty (only partials)
  std::map<std::string, PartialOnDisk> partials;      ///< by etag, of the first root
  std::map<RefName, CommitHash> refs;                 ///< merged, the first root's win
  std::set<CommitHash> commits;                       ///< with a snapshot folder, or with a partial
  std::map<CommitHash, std::int64_t> first_seen_ns;   ///< of each of commits
  std::optional<CommitHash> default_commit;           ///< nullopt: nothing cached, so not in models/
  std::vector<HubFolder> hub_folders;                 ///< sorted by name, one for each of commits
  std::string family;                                 ///< "models" only: the shelf
  std::string type;
  std::string name;                                   ///< on its shelf

  /// The commit that a ref, a commit hash, or the beginning (12 digits or more) of one cached commit names; nullopt if
  /// unknown here.
  [[nodiscard]] std::optional<CommitHash> find_revision(const std::string& revision) const;
  /// Of the roots that have it, the first one's stat of the repo folder; nullptr when no root has the folder.
  [[nodiscard]] const struct stat* folder() const { return copies.empty() ? nullptr : &copies.front().disk.folder; }
};

using RepoPtr = std::shared_ptr<const RepoEntry>;

class Library {
 public:
  /// `roots` is not empty; the first is where downloads go. `memory` outlives the library.
  Library(std::vector<CacheRootPtr> roots, Memory& memory);

  /// Reads all roots. Errors of single repos become problems() and log lines, never a failure.
  void load();
  /// Reads one repo again. True when its entry changed (or came, or went).
  bool refresh(const RepoKey& key);
  /// Reads the lists of repos again and refreshes those that came or went, in any root; the keys that changed.
  std::vector<RepoKey> refresh_list();

  [[nodiscard]] RepoPtr find(const RepoKey& key) const;
  /// By its name on a shelf; `family` is ignored for other types than models.
  [[nodiscard]] RepoPtr find_on_shelf(RepoType type, const std::string& family, const std::string& name) const;

  /// Sorted listings. Only repos with a default commit.
  [[nodiscard]] std::vector<std::string> families() const;
  [[nodiscard]] std::vector<RepoPtr> shelf(RepoType type, const std::string& family) const;
  [[nodiscard]] bool has_type(RepoType type) const;
  /// Orgs ("_" for none) of repos with any cached commit, and the repos of one.
  [[nodiscard]] std::vector<std::string> orgs(RepoType type) const;
  [[nodiscard]] std::vector<RepoPtr> repos_of(RepoType type, const std::string& org) const;
  [[nodiscard]] std::vector<RepoPtr> all() const;

  [[nodiscard]] const std::vector<CacheRootPtr>& roots() const { return roots_; }
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  struct Scanned;
  [[nodiscard]] Scanned scan(const RepoKey& key) const;
  void file_entries(const std::vector<Scanned>& scanned) EXCLUDES(mutex_);
  void name_shelf_locked(const std::string& shelf, RememberedRepos& remembered) REQUIRES(mutex_);

  const std::vector<CacheRootPtr> roots_;
  Memory& memory_;
  mutable Mutex mutex_;  ///< guards the maps; never held across disk access or a callback
  std::map<RepoKey, RepoPtr> repos_ GUARDED_BY(mutex_);
  std::map<std::string, std::map<std::string, RepoPtr>> shelves_ GUARDED_BY(mutex_);  ///< "models/llama" to name to repo
  std::map<RepoKey, std::vector<std::string>> problems_ GUARDED_BY(mutex_);
};

}  // namespace hubfs
