// SPDX-License-Identifier: Apache-2.0
//
// What is on disk for a repo: its refs, its commits, the entries of a snapshot, the state of a blob. Read-only, without
// any cache of its own; a fault in one place is reported in words and never hides what is healthy beside it. Nothing
// outside the root is opened, whatever a link says. Thread-safe (no state).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"
#include "core/model/listing.h"

namespace hubfs {

/// A folder `snapshots/<commit>` that exists (possibly empty).
struct CommitOnDisk {
  CommitHash commit;
  std::int64_t mtime_ns = 0;
};

/// A repo folder without the content of its snapshots.
struct RepoOnDisk {
  std::map<RefName, CommitHash> refs;  ///< also those whose snapshot is missing; content trimmed of white space
  std::vector<CommitOnDisk> commits;   ///< sorted by commit
  struct stat folder{};                ///< of the repo folder: owner, group, mode, inode
  std::vector<std::string> problems;   ///< one sentence each: what was ignored and why
};

/// The names in the root that are repo folders (real directories with a valid name), sorted; everything else is
/// skipped. `problems` (may be null) gets a sentence for each strange entry.
Result<std::vector<RepoKey>> list_repos(const CacheRoot& root, std::vector<std::string>* problems);

/// kNotFound when the folder is not there. A failure that may pass (too many open files, an I/O error) is an error too:
/// the repo would look smaller than it is.
Result<RepoOnDisk> scan_repo(const CacheRoot& root, const RepoKey& key);

enum class BlobForm : std::uint8_t {
  kAbsent,   ///< no such name, or a link whose payload is missing, or something that is not a regular file
  kRegular,  ///< a regular file in <repo>/blobs
  kShared,   ///< a link into the shared store with its payload there
};

/// A blob of a repo as it is now. `st` is of the file that holds the bytes (payload for kShared).
struct BlobOnDisk {
  BlobForm form = BlobForm::kAbsent;
  struct stat st{};
  std::optional<XetHash> payload;  ///< set for kShared
};
Result<BlobOnDisk> stat_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag);
/// Opens its bytes read-only; never follows a link to anywhere but the shared store. Tries for a few milliseconds,
/// since other clients replace a blob by two renames with a gap in between. kNotFound when absent.
Result<UniqueFd> open_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag);

enum class EntryForm : std::uint8_t {
  kBlob,      ///< a link to a blob of this repo (which may be absent: ask stat_blob)
  kRealFile,  ///< a regular file without a blob
  kUnusable,  ///< leads outside the cache, a device, a fifo, a link to a folder, …: never opened, never shown
};

struct SnapshotEntry {
  RelPath path;
  EntryForm form = EntryForm::kUnusable;
  std::optional<BlobId> etag;  ///< for kBlob
  struct stat st{};            ///< lstat of the entry itself (the file for kRealFile)
};

/// All entries of a snapshot, sorted by path. Links to a folder are not descended. kNotFound when the folder is absent.
Result<std::vector<SnapshotEntry>> scan_snapshot(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                                 std::vector<std::string>* problems);

/// Whether a file of a commit is here: a link or a real file in its snapshot, not a folder.
bool has_snapshot_entry(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const RelPath& path);

/// Opens a kRealFile entry for reading, checked not to be a link.
Result<UniqueFd> open_real_file(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                const RelPath& path);

}  // namespace hubfs
