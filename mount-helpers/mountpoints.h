// SPDX-License-Identifier: Apache-2.0
//
// What is mounted where, from /proc/self/mountinfo. Thread-safe (no state).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace hubfs {

/// Mountpoints of hubfs, as the kernel spells them; not those that something else is mounted over.
std::vector<std::string> hubfs_mountpoints();
/// Whether something (and whether, on top, a hubfs) is mounted on exactly this path.
bool is_mountpoint(const std::string& path);
bool is_hubfs_mountpoint(const std::string& path);

/// The mount that an absolute path lies in, or is the mountpoint of: the innermost, and of several on one point the last.
struct MountAbove {
  std::string point;
  bool is_hubfs = false;
};
std::optional<MountAbove> mount_above(const std::string& path);

/// The absolute path of a mountpoint, without touching the mount on it, which may be dead or hang.
std::string absolute_path(const std::string& path);

/// Sees to it that something can be mounted there: an existing, empty directory; a dead daemon's mount is detached first.
/// Otherwise a sentence that says what to do.
Status prepare_mountpoint(const std::string& path);

/// Detaches a mount, as root by the system call, else through fusermount3. The words of a failure say what to do.
Status unmount(const std::string& path, bool lazy);

}  // namespace hubfs
