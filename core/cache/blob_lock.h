// SPDX-License-Identifier: Apache-2.0
//
// The lock that every HF client takes around the download of a blob: BSD flock on `.locks/<repo>/<etag>.lock`. Never
// removed after use (removing splits waiters over two inodes). Best effort by design: on file systems where flock
// always succeeds, correctness rests on unique temporary names and rename. Move-only; released on destruction.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

class BlobLock {
 public:
  /// Takes the lock without waiting: nullopt when another holder has it. After flock the path is checked to still name
  /// the locked inode (retried otherwise). A lock path that is a symlink is an error; kUnsupported where there is no
  /// flock.
  static Result<std::optional<BlobLock>> try_acquire(const CacheRoot& root, const RepoKey& key, const BlobId& etag);
  /// Whether some other process (or descriptor) holds the lock now. False when the lock file does not exist.
  static bool is_held(const CacheRoot& root, const RepoKey& key, const BlobId& etag);
  /// Who holds it, for people: "python3 (process 4711)", from /proc/locks; "another program" where that cannot be told.
  static std::string holder(const CacheRoot& root, const RepoKey& key, const BlobId& etag);
  /// Of all lock files of the repo, whether any is held. flock belongs to the open file, so locks that this process
  /// holds count too: end own fetches first.
  static bool any_held(const CacheRoot& root, const RepoKey& key);
  /// The blobs whose locks are held, sorted.
  static std::vector<BlobId> all_held(const CacheRoot& root, const RepoKey& key);

  BlobLock(BlobLock&&) = default;
  BlobLock& operator=(BlobLock&&) = default;

 private:
  explicit BlobLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace hubfs
