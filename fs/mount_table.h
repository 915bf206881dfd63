// SPDX-License-Identifier: Apache-2.0
//
// What is mounted where, from /proc/self/mountinfo. Reading it touches no file system, so a dead or stuck mount does no
// harm. Thread-safe (no state).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hubfs {

struct MountEntry {
  int id = 0;           ///< of the mount; the kernel may use it again after its end
  std::string device;   ///< "major:minor"
  std::string point;    ///< where it is mounted
  std::string type;     ///< "ext4", "fuse.hubfs", …
};

/// In the order in which they were mounted: of several on one path the last is on top.
std::vector<MountEntry> mount_table();
/// The topmost mount on exactly this path; nullopt when there is none.
std::optional<MountEntry> top_mount(const std::string& path);
/// The topmost FUSE mount there, whatever else is mounted over it by now.
std::optional<MountEntry> top_fuse_mount(const std::string& path);
/// Whether something is mounted somewhere below a path.
bool has_mount_below(const std::string& path);

}  // namespace hubfs
