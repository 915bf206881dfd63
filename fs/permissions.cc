// SPDX-License-Identifier: Apache-2.0
#include "fs/permissions.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace hubfs {

namespace {

// May somebody of this class (of a thing owned by uid:gid) search the step? An owner is judged by the step's owner bits
// only where he owns the step too; otherwise by the most that he surely has.
bool owner_may_search(const Way::Step& step, uid_t uid, gid_t gid) {
  if (uid == 0) return true;
  if (step.uid == uid) return (step.mode & S_IXUSR) != 0;
  if (step.gid == gid) return (step.mode & S_IXGRP) != 0;
  return (step.mode & S_IXOTH) != 0;
}
bool group_may_search(const Way::Step& step, gid_t gid) {
  return step.gid == gid ? (step.mode & S_IXGRP) != 0 : (step.mode & S_IXOTH) != 0;
}

// Which of the three classes reach a thing owned by uid:gid at the end of the way: 0700, 0070, 0007 or'ed.
mode_t reach(const Way& way, uid_t uid, gid_t gid) {
  mode_t mask = S_IRWXU | S_IRWXG | S_IRWXO;
  for (const Way::Step& step : way.steps) {
    if (!owner_may_search(step, uid, gid)) mask &= ~static_cast<mode_t>(S_IRWXU);
    if (!group_may_search(step, gid)) mask &= ~static_cast<mode_t>(S_IRWXG);
    if ((step.mode & S_IXOTH) == 0) mask &= ~static_cast<mode_t>(S_IRWXO);
  }
  return mask;
}

// Who is of one class for what is shown may be of any other for the bytes: a class whose owner or group is another gets
// what everybody has.
mode_t read_bits(const struct stat& bytes, uid_t uid, gid_t gid) {
  const mode_t owner = (bytes.st_mode >> 6U) & S_IROTH;
  const mode_t group = (bytes.st_mode >> 3U) & S_IROTH;
  const mode_t others = bytes.st_mode & S_IROTH;
  const mode_t all = group & others;
  const bool same_group = bytes.st_gid == gid;
  return ((bytes.st_uid == uid ? owner : all) << 6U) | ((same_group ? group : all) << 3U) | (same_group ? others : all);
}

Permission apply(Permission permission, const PermissionOptions& options, mode_t all_bits) {
  if (options.uid) permission.uid = *options.uid;
  if (options.gid) permission.gid = *options.gid;
  // A new owner or group must not gain what others had not: bits of a class whose member changed are cut to those of all.
  if (!options.expose) {
    const mode_t others = permission.mode & S_IRWXO;
    const mode_t writable = S_IWUSR | S_IWGRP;
    if (options.gid) permission.mode = (permission.mode & ~static_cast<mode_t>(S_IRWXG)) | (others << 3U) | (permission.mode & writable & S_IWGRP);
    if (options.uid) permission.mode = (permission.mode & ~static_cast<mode_t>(S_IRWXU)) | (others << 6U) | (permission.mode & writable & S_IWUSR);
  } else {
    permission.mode |= all_bits;
  }
  permission.mode &= ~options.umask;
  return permission;
}

}  // namespace

Way way_to(const std::string& path) {
  Way way;
  const auto add = [&](const std::string& folder) {
    struct stat st {};
    if (::stat(folder.c_str(), &st) == 0) {
      way.steps.push_back({st.st_uid, st.st_gid, st.st_mode});
    } else {
      way.steps.push_back({});
    }
  };
  add("/");
  for (std::size_t at = 1; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    add(path.substr(0, end));
    at = end + 1;
  }
  return way;
}

std::optional<Way> way_to_open(int dir_fd) {
  std::array<char, 4096> buffer{};
  const std::string link = "/proc/self/fd/" + std::to_string(dir_fd);
  const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
  if (length <= 0) return std::nullopt;
  const std::string path(buffer.data(), static_cast<std::size_t>(length));
  struct stat open {};
  struct stat named {};
  if (path.front() != '/' || ::fstat(dir_fd, &open) != 0 || ::stat(path.c_str(), &named) != 0) return std::nullopt;
  if (open.st_dev != named.st_dev || open.st_ino != named.st_ino) return std::nullopt;
  return way_to(path);
}

Permission folder_permission(const struct stat& folder, const Way& way, const PermissionOptions& options) {
  Permission permission{folder.st_uid, folder.st_gid, 0};
  const mode_t reached = reach(way, folder.st_uid, folder.st_gid);
  permission.mode = folder.st_mode & (reached | S_ISVTX);
  return apply(permission, options, S_IRUSR | S_IXUSR | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH);
}

Permission file_permission(uid_t uid, gid_t gid, const struct stat& bytes, const std::vector<struct stat>& folders, const Way& way,
                           const PermissionOptions& options) {
  Way whole = way;
  for (const struct stat& folder : folders) whole.steps.push_back({folder.st_uid, folder.st_gid, folder.st_mode});
  Permission permission{uid, gid, 0};
  permission.mode = (read_bits(bytes, uid, gid) & reach(whole, uid, gid)) | S_IWUSR;
  return apply(permission, options, S_IRUSR | S_IRGRP | S_IROTH);
}

}  // namespace hubfs
