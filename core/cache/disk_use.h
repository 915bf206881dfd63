// SPDX-License-Identifier: Apache-2.0
//
// What a cache root occupies on the disk, repo by repo: physical bytes of files, each counted once however many names
// it has. Counting again is cheap: a repo whose folders have not changed since is not read again. Files that grow
// without their folder changing (downloads of any client) are looked at each time. Reads only; never follows a link out
// of the root. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/process_files.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

struct FileUse {
  std::uint64_t bytes = 0;  ///< physical
  std::uint64_t names = 1;  ///< hard links; with more than one, removing a name gives nothing back
  bool operator==(const FileUse&) const = default;
};
using FileUses = std::map<FileIdentity, FileUse>;

/// All that a repo occupies: its folder, the payloads its blobs link, its partial downloads.
struct RepoUse {
  FileUses files;
  FileUses partials;
};

class DiskUse {
 public:
  explicit DiskUse(CacheRootPtr root) : root_(std::move(root)) {}

  /// Brings the counts up to this moment.
  void count();

  [[nodiscard]] const CacheRoot& root() const { return *root_; }
  /// What the repo occupies here; null when it has nothing.
  [[nodiscard]] const RepoUse* of(const RepoKey& key) const;
  /// How many repos the last count() read (tests).
  [[nodiscard]] int repos_read() const { return repos_read_; }

 private:
  using WallTime = std::chrono::system_clock::time_point;
  struct Counted {
    std::string signature;    ///< of the folders that change when a file comes or goes
    bool settled = false;     ///< nothing grows in it, and the folders were at rest when it was read
    std::uint64_t alone = 0;  ///< bytes of the files that nothing else can have
    RepoUse use;
  };
  void count_repo(const RepoKey& key, Counted& counted);
  void count_store();
  void count_state();

  const CacheRootPtr root_;
  std::map<RepoKey, Counted> repos_;
  FileUses rest_;  ///< shared store, trash, and whatever else lies in the private state
  int repos_read_ = 0;

  friend std::uint64_t total_of(const std::vector<DiskUse>& roots);
};

/// Physical bytes of all roots together, as of their last count().
[[nodiscard]] std::uint64_t total_of(const std::vector<DiskUse>& roots);

}  // namespace hubfs
