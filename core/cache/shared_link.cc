// SPDX-License-Identifier: Apache-2.0
//
// Reusing a payload of the shared store, in the order of huggingface_hub's try_link_from_shared_store.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/publish.h"
#include "core/cache/shared_store.h"

namespace hubfs {

namespace {

constexpr int kLinkLockSeconds = 10;
constexpr mode_t kManifestMode = 0666;

bool is_usable(const CacheRoot& root, const XetHash& hash, std::uint64_t size) {
  const auto st = stat_payload(root, hash);
  if (!st || static_cast<std::uint64_t>(st->st_size) != size) return false;
  return ::faccessat(root.fd(), layout::payload(hash).c_str(), R_OK, AT_EACCESS) == 0;
}

Status append_reference(const CacheRoot& root, const XetHash& hash, const std::string& reference) {
  const std::string path = layout::payload_manifest(hash);
  auto fd = open_plain(root.fd(), path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, kManifestMode);
  if (!fd) return std::unexpected(fd.error());
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0) return fail_errno(path);
  if (!S_ISREG(st.st_mode)) return fail(ErrorKind::kInvalid, path + ": not a regular file");
  // Only its owner may; another user's manifest has the mode already.
  if ((st.st_mode & 0777U) != kManifestMode && ::fchmod(fd->get(), kManifestMode) != 0)
    log::debug(path + ": mode kept");
  const std::string line = reference + "\n";
  // One write, so that lines of several writers never mix.
  if (::write(fd->get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) return fail_errno(path);
  if (::fsync(fd->get()) != 0) return fail_errno("fsync " + path);
  return {};
}

// The link waits beside the blob under the name that other clients use for it, and know how to clean up.
class StagedLink {
 public:
  StagedLink(const CacheRoot& root, const RepoKey& key, const BlobId& etag)
      : folder_(open_dir(root.fd(), layout::blobs_dir(key))), name_("." + etag.text() + "." + random_hex8() + ".shared") {}
  ~StagedLink() {
    if (made_) ::unlinkat(folder_->get(), name_.c_str(), 0);
  }
  StagedLink(const StagedLink&) = delete;
  StagedLink& operator=(const StagedLink&) = delete;

  Status make(const XetHash& hash) {
    if (!folder_) return std::unexpected(folder_.error());
    made_ = ::symlinkat(layout::link_to_payload(hash).c_str(), folder_->get(), name_.c_str()) == 0;
    return made_ ? Status{} : Status(fail_errno(name_));
  }
  Status move_to(const std::string& name) {
    if (::renameat(folder_->get(), name_.c_str(), folder_->get(), name.c_str()) != 0) return fail_errno(name);
    made_ = false;
    return {};
  }

 private:
  const Result<UniqueFd> folder_;
  const std::string name_;
  bool made_ = false;
};

}  // namespace

Result<bool> link_shared_payload(const CacheRoot& root, const RepoKey& key, const BlobId& etag, const XetHash& hash,
                                 std::uint64_t size) {
  const Environment env = process_environment();
  if (env_flag(env, "HF_HUB_DISABLE_SHARED_BLOBS") || env_flag(env, "HF_HUB_DISABLE_XET")) return false;
  return relink_shared_payload(root, key, etag, hash, size);
}

Result<bool> relink_shared_payload(const CacheRoot& root, const RepoKey& key, const BlobId& etag, const XetHash& hash,
                                   std::uint64_t size) {
  if (!has_shared_store(root) || !is_usable(root, hash, size)) return false;
  const auto lock = PayloadLock::acquire(root, hash, kLinkLockSeconds);
  if (!lock) return std::unexpected(lock.error());
  if (!is_usable(root, hash, size)) return false;
  const std::string blob = layout::blob(key, etag);
  // A good blob that is there is never converted.
  const auto old = lstat_at(root.fd(), blob);
  if (old && !S_ISLNK(old->st_mode)) return false;
  StagedLink link(root, key, etag);
  Status status = link.make(hash);
  if (status) status = append_reference(root, hash, blob);
  if (status) status = link.move_to(etag.text());
  if (!status) return std::unexpected(status.error());
  return true;
}

}  // namespace hubfs
