// SPDX-License-Identifier: Apache-2.0
//
// Listing and deleting folders of a cache that other programs write to at the same time, without ever following a
// symlink (core/base/plain_path.h opens them). Thread-safe (no state).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/plain_path.h"

namespace hubfs {

/// Whether a failure with this errno says nothing about what is on disk: too many open files, no memory, an I/O error.
[[nodiscard]] bool may_pass(int err);

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

}  // namespace hubfs
