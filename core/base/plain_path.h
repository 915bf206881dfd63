// SPDX-License-Identifier: Apache-2.0
//
// Paths below a folder that other users write to at the same time. A check of a path and its use would be two walks,
// and between them a component can become a symlink: here each call is one walk (openat2), and what follows happens
// relative to the descriptor it gave. No other code resolves a path of several components in a cache or in the private
// state. Thread-safe (no state).
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/unique_fd.h"

namespace hubfs {

/// Opens `path` below `dir_fd`; a symlink in any component is an error (ELOOP). O_CLOEXEC is added. With O_PATH a link
/// in the last component is opened itself.
Result<UniqueFd> open_plain(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
/// The same for a folder, for reading its names.
Result<UniqueFd> open_dir(int dir_fd, const std::string& path);
/// The folder that holds `path`, for use with the names in it; no symlink on the way.
Result<UniqueFd> open_parent(int dir_fd, const std::string& path);
/// Follows symlinks, but never out of `dir_fd` (EXDEV). Where the kernel lacks openat2 no symlink at all is followed.
Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags);

/// lstat, readlink, unlink and rename, where a symlink as folder on the way is an error too. lstat_at sets errno when
/// it answers nullopt.
std::optional<struct stat> lstat_at(int dir_fd, const std::string& path);
Result<std::string> read_link_plain(int dir_fd, const std::string& path);
Status unlink_plain(int dir_fd, const std::string& path, int flags = 0);
Status rename_plain(int from_dir_fd, const std::string& from, int to_dir_fd, const std::string& to);

/// The parts of a path before and after its last slash ("." when there is none).
std::string parent_of(const std::string& path);
std::string base_of(const std::string& path);

}  // namespace hubfs
