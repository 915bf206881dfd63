// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/rm_in_mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "mount-helpers/mountpoints.h"

namespace hubfs {

namespace {

std::string words_for(int err) {
  switch (err) {
    case EPERM:
      return "it is pinned (unpin it with: setfattr -n user.hubfs.pinned -v 0), or a top folder of the view";
    case EACCES:
      return "no permission to remove it from the cache";
    case EBUSY:
      return "another program downloads it, or something is mounted below it; try again later";
    case ENOTEMPTY:
      return "the folder is not empty; remove what is in it first";
    case EROFS:
      return "the mount is read-only, or takes removals through models/, datasets/, spaces/ and kernels/ only";
    case ENOTCONN:
    case ECONNABORTED:
      return "the daemon of this mount is dead; `hubfs mount` on it recovers it";
    default:
      return {};
  }
}

// The mount's own words, of the removal that was just refused.
std::string words_of_mount(const std::string& path) {
  std::string words(1024, '\0');
  const ssize_t length = ::lgetxattr(path.c_str(), "user.hubfs.error", words.data(), words.size());
  words.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return words;
}

Status failed(const std::string& path) {
  const int err = errno;
  const bool refused = err == EPERM || err == EACCES || err == EBUSY;
  std::string words = refused ? words_of_mount(path) : std::string();
  if (words.empty()) words = words_for(err);
  if (words.empty()) return fail_errno(path, err);
  return fail(ErrorKind::kSystem, path + ": " + words);
}

}  // namespace

bool lies_in_hubfs(const std::string& path) {
  const auto mount = mount_above(path);
  return mount && mount->is_hubfs;
}

Status remove_in_mount(const std::string& path) {
  if (is_mountpoint(path)) {
    return fail(ErrorKind::kInvalid, path + " is a mountpoint; unmount it with: hubfs umount " + path);
  }
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return failed(path);
  if (::unlinkat(AT_FDCWD, path.c_str(), S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0) return failed(path);
  return {};
}

}  // namespace hubfs
