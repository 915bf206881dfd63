// SPDX-License-Identifier: Apache-2.0
//
// What a removal through the view takes, over all cache roots: a value that is shown to people (`hubfs rm --dry-run`)
// and carried out by Remover, so that both are the same. Planning reads the disk and changes nothing. Thread-safe
// (no state).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/cache/blob_uses.h"
#include "core/cache/removal.h"
#include "fs/view.h"

namespace hubfs {

/// The part of a removal in one cache root.
struct RootRemoval {
  CacheRootPtr root;
  RemovalPlan plan;
};

struct Removal {
  enum class What : std::uint8_t {
    kRepo,    ///< with all its revisions
    kCommit,  ///< one commit, its refs, and the blobs that nothing else uses
    kFile,    ///< one path in some commits
    kFolder,  ///< a folder of a revision that shows nothing any more
  };
  What what = What::kRepo;
  RepoKey key;
  std::vector<CommitHash> commits;  ///< those that lose something (not for kRepo)
  std::string path;                 ///< in the repo, of kFile and kFolder
  std::optional<BlobId> etag;       ///< of kFile, if it has a blob
  bool for_good = false;            ///< not kept, although removed things are: the space is wanted now
  std::vector<RootRemoval> roots;   ///< those that have something of it; none: it is only shown

  /// Physical bytes that it gives back.
  [[nodiscard]] std::uint64_t bytes() const;
};

/// The counted uses of a root's blobs, for who removes many files of one repo; may answer null.
using UsesOf = std::function<BlobUses*(const CacheRoot&)>;

/// The repo in every root. With nothing on disk the plan is empty, not an error: what is only shown can be removed too.
Result<Removal> plan_repo(const View& view, const RepoKey& key);
/// One commit; the whole repo when it is the last one.
Result<Removal> plan_commit(const View& view, const RepoKey& key, const CommitHash& commit);
/// A file of a kRevision folder, from the commits that the place stands for. kNotFound when the place does not show it.
Result<Removal> plan_file(const View& view, const DirSpec& dir, const std::string& name, const UsesOf& uses);
/// A path of a repo from every cached commit that has it, whatever its content there (`hf cache rm hf://…/path`).
Result<Removal> plan_file_everywhere(const View& view, const RepoKey& key, const std::string& path);
/// A folder below the top of a revision. kNotEmpty while it shows something.
Result<Removal> plan_folder(const View& view, const DirSpec& folder);

}  // namespace hubfs
