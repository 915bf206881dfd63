// SPDX-License-Identifier: Apache-2.0
#include "core/cache/blob_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/flock_file.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr mode_t kLockMode = 0664;  // filelock's, set against the umask

// Whether a shared lock can be had: only an exclusive holder prevents it, and two probes do not disturb each other.
// Absent files are free; one that cannot be opened cannot be told and counts as free, as for every other client.
bool is_locked(int dir_fd, const std::string& path) {
  auto fd = open_plain(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return false;
  return ::flock(fd->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

Result<std::optional<BlobLock>> BlobLock::try_acquire(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  if (auto made = make_dirs_at(root.fd(), layout::locks_dir(key), 0777); !made) return std::unexpected(made.error());
  auto fd = try_flock_file(root.fd(), layout::blob_lock(key, etag), kLockMode);
  if (!fd) return std::unexpected(fd.error());
  if (!*fd) return std::optional<BlobLock>();
  return std::optional(BlobLock(std::move(*fd)));
}

bool BlobLock::is_held(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  return is_locked(root.fd(), layout::blob_lock(key, etag));
}

std::vector<BlobId> BlobLock::all_held(const CacheRoot& root, const RepoKey& key) {
  std::vector<BlobId> held;
  auto dir = open_dir(root.fd(), layout::locks_dir(key));
  if (!dir) return held;
  const auto names = read_dir(dir->get());
  if (!names) return held;
  for (const NameInDir& entry : *names) {
    const std::string_view name = entry.name;
    if (entry.kind != NameKind::kFile || !name.ends_with(layout::kLockSuffix)) continue;
    auto etag = BlobId::parse(name.substr(0, name.size() - layout::kLockSuffix.size()));
    if (etag && is_locked(dir->get(), entry.name)) held.push_back(*std::move(etag));
  }
  return held;
}

bool BlobLock::any_held(const CacheRoot& root, const RepoKey& key) { return !all_held(root, key).empty(); }

}  // namespace hubfs
