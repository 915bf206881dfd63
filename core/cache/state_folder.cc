// SPDX-License-Identifier: Apache-2.0
#include "core/cache/state_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr const char* kStateFolder = ".hubfs";

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

// A folder of private state decides what gets published, so whoever may write to it must be someone who may write to
// the cache anyway: in a parent like /tmp, anybody could have put one there.
bool is_trustworthy(const struct stat& folder, const struct stat& root) {
  const bool owner_ok = folder.st_uid == ::geteuid() || folder.st_uid == 0 || folder.st_uid == root.st_uid;
  return owner_ok && (folder.st_mode & kOthersWrite & ~root.st_mode) == 0;
}

// Opens the folder, made if absent with the root's own mode and group so that the cache's users share it as they share
// the cache.
UniqueFd open_state_folder(int dir_fd, const std::string& name, const struct stat& root) {
  const bool made = ::mkdirat(dir_fd, name.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return {};
  auto fd = open_dir(dir_fd, name);
  if (!fd) return {};
  if (made) {
    if (::fchown(fd->get(), static_cast<uid_t>(-1), root.st_gid) != 0) log::debug("state folder keeps its own group");
    if (::fchmod(fd->get(), root.st_mode & 07777U) != 0) log::debug("state folder keeps its own mode");
  }
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0 || !is_trustworthy(st, root)) return {};
  if (::faccessat(fd->get(), ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) return {};
  return std::move(*fd);
}

// Whether a file can be renamed from the state folder into the cache: not so when the root is itself a mount point.
bool rename_works(int state_fd, int locks_fd) {
  const std::string name = ".probe." + random_hex8();
  const UniqueFd file(::openat(state_fd, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return false;
  const bool works = ::renameat(state_fd, name.c_str(), locks_fd, name.c_str()) == 0;
  ::unlinkat(works ? locks_fd : state_fd, name.c_str(), 0);
  return works;
}

StateFolder state_beside(const std::string& root_path, const struct stat& root, int locks_fd) {
  const std::string base = base_of(root_path);
  const std::string parent = root_path.substr(0, root_path.size() - base.size());
  if (base.empty()) return {};
  const UniqueFd parent_fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent_fd) return {};
  const UniqueFd outer = open_state_folder(parent_fd.get(), kStateFolder, root);
  if (!outer) return {};
  UniqueFd inner = open_state_folder(outer.get(), base, root);
  if (inner && rename_works(inner.get(), locks_fd)) return {std::move(inner), parent + kStateFolder + "/" + base};
  // Nothing of ours stays where it cannot be used; only succeeds on empty folders.
  ::unlinkat(outer.get(), base.c_str(), AT_REMOVEDIR);
  ::unlinkat(parent_fd.get(), kStateFolder, AT_REMOVEDIR);
  return {};
}

}  // namespace

StateFolder find_state(const std::string& root_path, int root_fd) {
  struct stat root{};
  if (::fstat(root_fd, &root) != 0) return {};
  if (::faccessat(root_fd, ".", W_OK | X_OK, AT_EACCESS) != 0) return {{}, {}, errno};
  const std::string locks(layout::kLocks);
  if (::mkdirat(root_fd, locks.c_str(), 0777) != 0 && errno != EEXIST) return {};
  auto locks_fd = open_dir(root_fd, locks);
  if (!locks_fd) return {};
  StateFolder beside = state_beside(root_path, root, locks_fd->get());
  if (beside.fd) return beside;
  UniqueFd inside = open_state_folder(locks_fd->get(), kStateFolder, root);
  if (inside && rename_works(inside.get(), locks_fd->get())) {
    return {std::move(inside), root_path + "/" + locks + "/" + kStateFolder};
  }
  return {};
}

}  // namespace hubfs
