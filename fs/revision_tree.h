// SPDX-License-Identifier: Apache-2.0
//
// The tree of one commit as the view shows it: what the snapshots of all roots hold, plus what the listing says the
// commit has, minus what `rm` hid. Made when somebody looks, immutable from then on except for one monotonic mark: an entry
// or empty folder that this process removed. A change on disk makes a new tree. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/catalog/library.h"
#include "core/catalog/memory.h"
#include "core/model/listing.h"
#include "fs/permissions.h"

namespace hubfs {

/// How much of a file is here.
enum class FileState : std::uint8_t {
  kCached,    ///< a complete blob
  kRealFile,  ///< a file in a snapshot without a blob
  kPartial,   ///< some bytes, in hubfs's private state
  kRemote,    ///< none
};
[[nodiscard]] const char* state_name(FileState state);

struct TreeFile {
  std::string path;                   ///< relative to the revision
  FileState state = FileState::kRemote;
  bool in_snapshot = false;
  std::uint64_t size = 0;
  std::uint64_t blocks = 1;           ///< 512-byte units; 1 for a remote file, never 0 (tar -S would not read it)
  std::uint64_t partial_bytes = 0;
  std::int64_t mtime_ns = 0;
  Permission permission;
  std::optional<BlobId> etag;         ///< nullopt for real files
  std::optional<XetHash> xet_hash;    ///< from the listing
  int root = -1;                      ///< index of the copy (RepoEntry::copies) whose bytes are shown; -1: none
  std::string identity;               ///< what st_ino stands for: the blob, the payload, or the real file
};

/// What a tree is made of.
struct TreeInputs {
  RepoPtr repo;
  CommitHash commit;
  ListingPtr listing;        ///< null: not known
  const Memory* memory = nullptr;
  const std::vector<Way>* ways = nullptr;          ///< of each copy's root, same order as the library's roots
  const std::vector<CacheRootPtr>* roots = nullptr;
  const PermissionOptions* permissions = nullptr;
};

class RevisionTree {
 public:
  /// Reads the disk. Never fails: what cannot be read is not shown (and logged).
  static std::shared_ptr<const RevisionTree> load(const TreeInputs& inputs);

  struct Child {
    std::string name;
    const TreeFile* file = nullptr;  ///< null: a folder
  };

  [[nodiscard]] const RepoPtr& repo() const { return repo_; }
  [[nodiscard]] const CommitHash& commit() const { return commit_; }
  [[nodiscard]] bool has_listing() const { return listing_ != nullptr; }
  [[nodiscard]] const ListingPtr& listing() const { return listing_; }
  [[nodiscard]] const Permission& folder_permission() const { return folder_permission_; }
  [[nodiscard]] std::int64_t first_seen_ns() const { return first_seen_ns_; }
  /// Set when something could not be read, for a reason that may pass (too many open files, an I/O error): what is missing
  /// here may be there. Such a tree is not kept, nothing is removed by it, and nothing is downloaded because of it.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] bool is_whole() const { return !failure_; }

  /// The file at a path; null if there is none (or it was removed).
  [[nodiscard]] const TreeFile* file(const std::string& path) const;
  /// Whether `path` ("" is the top) is a folder.
  [[nodiscard]] bool has_folder(const std::string& path) const;
  /// Sorted children of a folder; with `cached_only`, without remote files and folders that hold nothing else.
  [[nodiscard]] std::vector<Child> children(const std::string& folder, bool cached_only) const;
  /// All files that are not removed.
  [[nodiscard]] std::vector<const TreeFile*> files() const;

  /// This process removed the entry (or the empty folder): it is not shown any more.
  void mark_removed(const std::string& path) const;

 private:
  RevisionTree(RepoPtr repo, CommitHash commit) : repo_(std::move(repo)), commit_(std::move(commit)) {}
  struct Folder {
    std::string path;
  };
  [[nodiscard]] bool folder_has_cached(const std::string& folder) const;

  RepoPtr repo_;
  CommitHash commit_;
  ListingPtr listing_;
  Permission folder_permission_;
  std::int64_t first_seen_ns_ = 0;
  std::optional<Error> failure_;
  std::vector<TreeFile> files_;        // sorted so that a folder's files are one run
  std::vector<std::string> folders_;   // sorted likewise, without ""
  std::unique_ptr<std::atomic<bool>[]> removed_files_;
  std::unique_ptr<std::atomic<bool>[]> removed_folders_;

  friend class TreeBuilder;
};

using RevisionTreePtr = std::shared_ptr<const RevisionTree>;

/// Order of paths in which every folder's content is one run: "/" sorts before everything else.
[[nodiscard]] bool path_before(std::string_view a, std::string_view b);

}  // namespace hubfs
