// SPDX-License-Identifier: Apache-2.0
//
// Who may, derived from the cache and never wider than it: permission bits of the view from those of the repo folder and
// the blob, narrowed by the search bits on the way to them, and by the mount options. Pure functions.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace hubfs {

/// Owner and search bits of each folder on the way from "/" down to a cache root (the root included).
struct Way {
  struct Step {
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t mode = 0;
    bool operator==(const Step&) const = default;
  };
  std::vector<Step> steps;
  bool operator==(const Way&) const = default;
};
/// Reads the way to an absolute path; steps that cannot be read count as closed.
Way way_to(const std::string& path);
/// Reads the way to where an open folder is now, also when it was renamed; nullopt when no path leads to it.
std::optional<Way> way_to_open(int dir_fd);

/// What the mount options say about permissions.
struct PermissionOptions {
  std::optional<uid_t> uid;     ///< shown owner; narrows to the owner bits of what was there
  std::optional<gid_t> gid;
  mode_t umask = 0;             ///< bits taken away
  bool expose = false;          ///< readable and searchable by all who reach the mount
};

struct Permission {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;  ///< permission bits, with the sticky bit for folders that have it
};

/// For a folder of a repo (or above it: then `folder` is the cache root's own stat).
Permission folder_permission(const struct stat& folder, const Way& way, const PermissionOptions& options);
/// For a file that is shown as owned by uid:gid: read bits of `bytes` (where they belong to others, those that everybody
/// has), owner write so that `rm` does not ask.
Permission file_permission(uid_t uid, gid_t gid, const struct stat& bytes, const std::vector<struct stat>& folders, const Way& way,
                           const PermissionOptions& options);

}  // namespace hubfs
