// SPDX-License-Identifier: Apache-2.0
//
// Names that come into the cache by rename from the private state, looking as if they had been made in place. Used
// inside core/cache only. Thread-safe (no state).
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Gives an open file the mode and group that one newly made in `dir_fd` would have (umask, default ACL, setgid
/// folder).
Status make_like_new(int file_fd, int dir_fd);

/// A path for something that is about to be renamed into the repo: in the private state, or in the repo's own folder
/// where there is no state (other clients look only into its subfolders). Removed on destruction unless taken.
class StagedName {
 public:
  StagedName(const CacheRoot& root, const RepoKey& key);
  ~StagedName();
  StagedName(const StagedName&) = delete;
  StagedName& operator=(const StagedName&) = delete;

  [[nodiscard]] int dir_fd() const { return dir_fd_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Renames it to `name` in an open folder of the cache, replacing what is there.
  Status move_to(int target_dir_fd, const std::string& name);

 private:
  int dir_fd_;
  std::string path_;
  bool moved_ = false;
};

}  // namespace hubfs
