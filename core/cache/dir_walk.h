// SPDX-License-Identifier: Apache-2.0
//
// Opening and listing folders of a cache that other programs write to at the same time, without ever following a
// symlink. Used inside core/cache only. Thread-safe (no state).
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/unique_fd.h"

namespace hubfs {

/// Opens `path` below `dir_fd`; a symlink in any component is an error (ELOOP). O_CLOEXEC is added.
Result<UniqueFd> open_plain(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
/// The same for a folder, for reading its names.
Result<UniqueFd> open_dir(int dir_fd, const std::string& path);

/// lstat, readlink and unlink below `dir_fd`, where a symlink as folder on the way is an error too. lstat_at sets errno
/// when it answers nullopt.
std::optional<struct stat> lstat_at(int dir_fd, const std::string& path);
Result<std::string> read_link_plain(int dir_fd, const std::string& path);
Status unlink_plain(int dir_fd, const std::string& path, int flags = 0);
/// Whether a failure with this errno says nothing about what is on disk: too many open files, no memory, an I/O error.
[[nodiscard]] bool may_pass(int err);
/// The folder that holds `path`, for use with the names in it; no symlink on the way.
Result<UniqueFd> open_parent(int dir_fd, const std::string& path);

enum class NameKind : std::uint8_t { kFolder, kFile, kLink, kOther };
struct NameInDir {
  std::string name;
  NameKind kind = NameKind::kOther;
};
/// The names in a folder without "." and "..", sorted by bytes.
Result<std::vector<NameInDir>> read_dir(int dir_fd);
/// open_dir and read_dir; an absent folder is an empty list.
Result<std::vector<NameInDir>> read_dir_at(int dir_fd, const std::string& path);

/// Deletes a file, a link or a whole tree without following links and without leaving its file system. Goes on after
/// failures and answers the first; absent is fine.
Status remove_tree(int dir_fd, const std::string& name);

/// The parts of a path before and after its last slash ("." when there is none).
std::string parent_of(const std::string& path);
std::string base_of(const std::string& path);

}  // namespace hubfs
