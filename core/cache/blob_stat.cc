// SPDX-License-Identifier: Apache-2.0
//
// The state of one blob, and its bytes.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/repo_scan.h"
#include "core/cache/shared_store.h"

namespace hubfs {

namespace {

// Where the bytes of a blob are: its own path, or the payload's.
struct BlobFile {
  BlobOnDisk state;
  std::string path;
};

Result<BlobFile> find_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  BlobFile found;
  found.path = layout::blob(key, etag);
  const auto st = lstat_at(root.fd(), found.path);
  if (!st) {
    const int err = errno;
    if (err == ENOENT || err == ENOTDIR || err == ELOOP) return found;
    return fail_errno(found.path, err);
  }
  if (S_ISREG(st->st_mode)) {
    found.state.form = BlobForm::kRegular;
    found.state.st = *st;
    return found;
  }
  if (!S_ISLNK(st->st_mode)) return found;
  const auto target = read_link_plain(root.fd(), found.path);
  const auto hash = target ? LinkTargets(root, key).payload(found.path, *target) : std::nullopt;
  const auto payload = hash ? stat_payload(root, *hash) : std::nullopt;
  if (!payload) return found;
  found.path = layout::payload(*hash);
  found.state = BlobOnDisk{BlobForm::kShared, *payload, hash};
  return found;
}

}  // namespace

Result<BlobOnDisk> stat_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  auto found = find_blob(root, key, etag);
  if (!found) return std::unexpected(found.error());
  return found->state;
}

Result<UniqueFd> open_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  // Another client moves the blob into the shared store by two renames, and between them there is none.
  for (const useconds_t pause : {1000U, 2000U, 4000U, 0U}) {
    const auto found = find_blob(root, key, etag);
    if (!found) return std::unexpected(found.error());
    if (found->state.form != BlobForm::kAbsent) {
      auto fd = open_plain(root.fd(), found->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
      struct stat st{};
      if (fd && ::fstat(fd->get(), &st) == 0 && S_ISREG(st.st_mode)) return fd;
      const bool replaced = fd || fd.error().sys_errno == ENOENT || fd.error().sys_errno == ELOOP;
      if (!replaced) return fd;
    }
    if (pause > 0) ::usleep(pause);
  }
  return fail_errno(layout::blob(key, etag), ENOENT);
}

}  // namespace hubfs
