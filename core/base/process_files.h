// SPDX-License-Identifier: Apache-2.0
//
// Which files the processes of this machine have open or mapped, from /proc. Nothing here waits: what is open is only
// compared, never asked of its file system, so a stuck or dead mount, our own included, does not hold it up.
// Thread-safe (no state).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hubfs {

/// A file by device and inode, as stat tells them.
using FileIdentity = std::pair<dev_t, ino_t>;

struct OpenInode {
  dev_t dev = 0;
  ino_t ino = 0;
  pid_t pid = 0;
  std::string command;  ///< short name of the program, printable
  auto operator<=>(const OpenInode&) const = default;
};

/// Which of `wanted` are open or mapped, by which process: each pair of file and process once, sorted. Our own process
/// counts like any other. Processes of other pid namespaces are not seen; those that we may not look into are skipped,
/// and counted in `skipped` (may be null).
std::vector<OpenInode> find_open(const std::set<FileIdentity>& wanted, std::size_t* skipped = nullptr);

}  // namespace hubfs
