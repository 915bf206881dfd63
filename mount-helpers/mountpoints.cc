// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/mountpoints.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "fs/mount_table.h"
#include "mount-helpers/daemon_report.h"

namespace hubfs {

namespace {

bool is_hubfs_type(const std::string& type) { return type == "fuse.hubfs"; }

Status run_fusermount(const std::string& path, bool lazy) {
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) {
    ::execlp("fusermount3", "fusermount3", lazy ? "-uz" : "-u", "--", path.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return fail(ErrorKind::kUnsupported, "fusermount3 is not installed (package fuse3); unmount as root instead");
  }
  return fail(ErrorKind::kSystem, "cannot unmount " + path + "; the line above says why");
}

}  // namespace

std::vector<std::string> hubfs_mountpoints() {
  std::vector<std::string> points;
  for (const MountEntry& mount : mount_table()) {
    // What is mounted over a hubfs hides it.
    std::erase(points, mount.point);
    if (is_hubfs_type(mount.type)) points.push_back(mount.point);
  }
  return points;
}

bool is_mountpoint(const std::string& path) { return top_mount(path).has_value(); }

bool is_hubfs_mountpoint(const std::string& path) {
  const auto top = top_mount(path);
  return top && is_hubfs_type(top->type);
}

std::optional<MountAbove> mount_above(const std::string& path) {
  std::optional<MountAbove> found;
  for (const MountEntry& mount : mount_table()) {
    const bool above = mount.point == "/" || mount.point == path || path.starts_with(mount.point + "/");
    if (!above || (found && mount.point.size() < found->point.size())) continue;
    found = MountAbove{mount.point, is_hubfs_type(mount.type)};
  }
  return found;
}

std::string absolute_path(const std::string& path) {
  std::filesystem::path full = std::filesystem::path(path).lexically_normal();
  std::error_code ignored;
  if (full.is_relative()) full = (std::filesystem::current_path(ignored) / full).lexically_normal();
  std::string text = full.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  // Links above the mountpoint are resolved; the last component may be a dead mount, which must not be touched.
  const auto parent = std::filesystem::canonical(std::filesystem::path(text).parent_path(), ignored);
  if (ignored) return text;
  const std::string resolved = (parent / std::filesystem::path(text).filename()).string();
  // Looking at it would ask its daemon, which may hang.
  if (is_mountpoint(resolved)) return resolved;
  struct stat st {};
  if (::lstat(resolved.c_str(), &st) == 0 && S_ISLNK(st.st_mode)) {
    const auto target = std::filesystem::canonical(resolved, ignored);
    if (!ignored) return target.string();
  }
  return resolved;
}

Status prepare_mountpoint(const std::string& path) {
  if (is_hubfs_mountpoint(path)) {
    const DaemonReport report = ask_daemon(path);
    if (report.state == DaemonReport::State::kDead) {
      // Nobody can use that mount any more.
      if (auto detached = unmount(path, true); !detached) return detached;
      return prepare_mountpoint(path);
    }
    if (report.state == DaemonReport::State::kSilent) {
      return fail(ErrorKind::kBusy, "a hubfs is mounted on " + path + "; " + report.words);
    }
    return fail(ErrorKind::kBusy, "a hubfs is already mounted on " + path + "; unmount it first with: hubfs umount " + path);
  }
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return fail(ErrorKind::kNotFound, "the mountpoint " + path + " does not exist; make it with: mkdir -p " + path);
    return fail_errno("mountpoint " + path);
  }
  if (!S_ISDIR(st.st_mode)) return fail(ErrorKind::kInvalid, "the mountpoint " + path + " is not a directory");
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return fail_errno("mountpoint " + path);
  bool empty = true;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") empty = false;
  }
  ::closedir(dir);
  if (!empty) {
    return fail(ErrorKind::kNotEmpty, "the mountpoint " + path + " is not empty; mounting would hide what is in it, choose an empty directory");
  }
  return {};
}

Status unmount(const std::string& path, bool lazy) {
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0) return {};
  if (errno == EPERM) return run_fusermount(path, lazy);
  if (errno == EBUSY) {
    return fail(ErrorKind::kBusy, path + " is in use (an open file, or a shell whose directory it is); end that, or detach it with: "
                                         "hubfs umount --lazy " + path);
  }
  if (errno == EINVAL) return fail(ErrorKind::kInvalid, "nothing is mounted on " + path);
  return fail_errno("unmounting " + path);
}

}  // namespace hubfs
