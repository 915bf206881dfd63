// SPDX-License-Identifier: Apache-2.0
//
// Making a file visible to every client, exactly as huggingface_hub would have left it: blob by rename, then the
// snapshot entry, then the ref, then the listing. The caller holds the BlobLock and has verified the bytes: nothing
// here checks content again. Each state in between is a valid cache. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"
#include "core/model/listing.h"

namespace hubfs {

/// Makes `<root>/CACHEDIR.TAG` (if absent), the repo folder and its folders for blobs and snapshots (without the latter
/// other clients call the repo corrupt).
Status prepare_repo(const CacheRoot& root, const RepoKey& key);

/// Moves a complete file (path relative to root.state_fd()) to `blobs/<etag>`: mode as a file newly made there would
/// have (umask), fsync, rename (replacing a dangling link or a damaged file, never writing through it), fsync of the
/// folder.
Status publish_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag, const std::string& state_file);

/// Makes the snapshot's link for `path` (relative link; a real file where links cannot be made is not attempted:
/// kUnsupported). An entry that already names the blob is left alone, and so is a real file (of a client without
/// links); a foreign link is replaced by rename.
Status link_snapshot_entry(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const RelPath& path,
                           const BlobId& etag);

/// Writes the ref unless it already says `commit`. The temporary file lies in the private state, never in refs/. With
/// `only_if_absent`, a ref of another commit is left alone (the view follows local refs and never moves them); one
/// without any commit in it counts as absent. kExists when a file stands where a folder is needed, or the reverse (v1
/// and v1/x).
Status write_ref(const CacheRoot& root, const RepoKey& key, const RefName& name, const CommitHash& commit,
                 bool only_if_absent);

/// If the shared store has a usable payload (regular, readable, of exactly `size` bytes) for `hash`, makes
/// `blobs/<etag>` a link to it by the store's protocol (lock, staged link, manifest line + fsync, rename). False when
/// it has none, or the store is not there or not ours, or HF_HUB_DISABLE_SHARED_BLOBS / HF_HUB_DISABLE_XET is set.
Result<bool> link_shared_payload(const CacheRoot& root, const RepoKey& key, const BlobId& etag, const XetHash& hash,
                                 std::uint64_t size);
/// The same whatever the environment says: for a link that was there before.
Result<bool> relink_shared_payload(const CacheRoot& root, const RepoKey& key, const BlobId& etag, const XetHash& hash,
                                   std::uint64_t size);

}  // namespace hubfs
