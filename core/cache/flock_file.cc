// SPDX-License-Identifier: Apache-2.0
#include "core/cache/flock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/cache/dir_walk.h"

namespace hubfs {

namespace {

constexpr int kFlags = O_NONBLOCK | O_NOCTTY;

Result<UniqueFd> open_lock_file(int dir_fd, const std::string& path, mode_t mode) {
  auto made = open_plain(dir_fd, path, O_RDWR | O_CREAT | O_EXCL | kFlags, mode);
  if (made) {
    // Against the umask: others of the group must be able to open it.
    if (::fchmod(made->get(), mode) != 0) return fail_errno(path);
    return made;
  }
  if (made.error().sys_errno != EEXIST) return made;
  auto fd = open_plain(dir_fd, path, O_RDWR | kFlags);
  // A lock file of another user may be read-only for us; flock does not mind.
  if (!fd && fd.error().sys_errno == EACCES) fd = open_plain(dir_fd, path, O_RDONLY | kFlags);
  return fd;
}

// Some releases of filelock unlink the file when they release: a lock on an unlinked inode excludes nobody.
bool still_names(int dir_fd, const std::string& path, int fd) {
  struct stat locked{};
  if (::fstat(fd, &locked) != 0 || locked.st_nlink == 0) return false;
  const auto now = lstat_at(dir_fd, path);
  return now && now->st_dev == locked.st_dev && now->st_ino == locked.st_ino;
}

}  // namespace

Result<UniqueFd> try_flock_file(int dir_fd, const std::string& path, mode_t mode) {
  for (int tries = 0; tries < 16; ++tries) {
    auto fd = open_lock_file(dir_fd, path, mode);
    if (!fd && fd.error().sys_errno == ENOENT && tries < 15) continue;
    if (!fd) return fd;
    struct stat st{};
    if (::fstat(fd->get(), &st) != 0) return fail_errno(path);
    if (!S_ISREG(st.st_mode)) return fail(ErrorKind::kInvalid, path + ": not a regular file");
    while (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno == EWOULDBLOCK) return UniqueFd();
      if (errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK) {
        return fail(ErrorKind::kUnsupported, path + ": this file system has no locks");
      }
      return fail_errno(path);
    }
    if (still_names(dir_fd, path, fd->get())) return fd;
  }
  return fail(ErrorKind::kBusy, path + ": another program keeps replacing this lock file");
}

}  // namespace hubfs
