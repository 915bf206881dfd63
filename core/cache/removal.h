// SPDX-License-Identifier: Apache-2.0
//
// Removing from a cache that belongs to everyone. A plan says what goes and why the rest stays; apply() carries it out:
// of a whole repo by one rename into the private trash and then deletion; of a commit or a file refs first, then
// snapshot entries, then blobs that nothing else needs, then the shared store's sweep. Each state in between is a valid
// cache. Rules: a blob goes only when no snapshot entry of any revision needs it (textually or by inode), checked again
// under its lock; payloads only by the store's own protocol; nothing outside the root is touched, whatever a link says.
// Thread-safe; two removals of one repo in one process are serialised by the caller.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Who asks: decides by the usual owner/group/other and sticky rules, on the cache's own folders. uid 0 may everything.
struct Caller {
  uid_t uid = 0;
  std::vector<gid_t> groups;  ///< primary and supplementary
};

class BlobUses;
class KeptRecord;

/// Bytes that a removal gives back, by the inode that holds them: who still has it open keeps them for a while.
struct FreedInode {
  dev_t dev = 0;
  ino_t ino = 0;
  std::uint64_t bytes = 0;  ///< st_blocks * 512
};

/// Something that a removal leaves where it is although what is removed uses it.
struct Stays {
  std::string path;  ///< relative to the root
  std::string why;   ///< half a sentence
};

/// What to remove from one root.
struct RemovalPlan {
  explicit RemovalPlan(RepoKey of) : key(std::move(of)) {}

  RepoKey key;
  bool whole_repo = false;
  std::vector<RefName> refs;          ///< to be removed (not for whole_repo)
  std::vector<CommitHash> snapshots;  ///< whole snapshot folders
  struct Entry {
    CommitHash commit;
    RelPath path;
  };
  std::vector<Entry> entries;  ///< single snapshot entries
  std::vector<BlobId> blobs;   ///< that nothing else needs as far as the plan saw
  std::uint64_t bytes = 0;     ///< physical bytes that will be given back: the sum of `freed`
  std::vector<FreedInode> freed;
  std::vector<Stays> stays;

  bool removes_nothing() const { return !whole_repo && refs.empty() && snapshots.empty() && entries.empty() && blobs.empty(); }
};

// Plans read only, and are what is shown to people as well as what is carried out. When the disk cannot be read for a
// reason that may pass (too many open files, an I/O error) there is no plan but an error, since what was not seen could
// be a use of a blob.

/// The repo with all its revisions. kNotFound when the folder is not there.
Result<RemovalPlan> plan_repo_removal(const CacheRoot& root, const RepoKey& key);
/// One commit: its refs, its snapshot, the blobs only it uses, `.no_exist/<commit>` and `trees/<commit>.json`. When it
/// is the last commit on disk the plan is the whole repo.
Result<RemovalPlan> plan_commit_removal(const CacheRoot& root, const RepoKey& key, const CommitHash& commit);
/// `path` in the given commits (those that do not have it are skipped). kNotFound when none has it. Who removes many
/// files of a repo one after the other hands the same `uses` to each plan and apply_removal (core/cache/blob_uses.h).
Result<RemovalPlan> plan_file_removal(const CacheRoot& root, const RepoKey& key, const std::vector<CommitHash>& commits,
                                      const RelPath& path, BlobUses* uses = nullptr);

/// kAccessDenied when the caller could not do this in the cache itself, or the root cannot be written; kBusy when
/// another process holds the lock of a blob that would go. A plan that removes nothing is for names that are only shown:
/// it asks for the rights in the repo's folder, or in the root where there is none. Nothing is changed.
Status check_removal(const CacheRoot& root, const RemovalPlan& plan, const Caller& caller);

/// Carries the plan out. A blob that came into use again, or whose lock another process holds, is kept without an
/// error. An error says what is left; whatever was done before it is a valid cache. With `keep`, what is taken goes
/// there instead of being deleted, and payloads of the shared store stay as they are.
Status apply_removal(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses = nullptr,
                     KeptRecord* keep = nullptr);

/// A repo that was set aside and waits for its deletion.
struct TrashTicket {
  RepoKey key;
  std::vector<std::string> names;  ///< in the trash: the repo folder and hubfs's own files about it
  std::vector<XetHash> payloads;   ///< to be swept; only of a repo that could not be renamed and is deleted already
};

/// The two halves of apply_removal for a whole repo: after the first the repo is gone for every client, by one rename
/// however large it is (where it cannot be renamed, on some overlay mounts, it is deleted in place: slow); the second
/// gives the space back and may run later, in another thread. What a crash leaves of it, empty_trash() deletes.
/// With `keep` the repo goes there, or stays where it is if it cannot.
Result<TrashTicket> apply_detach(const CacheRoot& root, const RemovalPlan& plan, KeptRecord* keep = nullptr);
Status finish_detach(const CacheRoot& root, const TrashTicket& ticket);

/// Deletes what earlier removals renamed away but did not get to delete (crash in between). Call at start.
void empty_trash(const CacheRoot& root);

}  // namespace hubfs
