// SPDX-License-Identifier: Apache-2.0
//
// When each repo was last used: a file of it was opened through a mount, or downloaded by hubfs. What other clients
// read is not seen, and times of access are not asked for (most volumes keep none). One small JSON file in the private
// state of the first root, shared by all mounts of the cache: each save merges, the later time wins. It is a hint: what
// a crash loses of it is at most what was noted since the last save, and without state (read-only cache) it lives in
// memory only. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Nanoseconds since 1970, by RepoKey::text().
using UseTimes = std::map<std::string, std::int64_t>;

class UseLog {
 public:
  /// Reads the file, if there is state and a file.
  explicit UseLog(CacheRootPtr first_root);

  /// The repo is used now. Never touches the disk.
  void note(const RepoKey& key);
  void note_at(const RepoKey& key, std::int64_t time_ns);
  /// As this mount knows it; 0 when it was never used.
  [[nodiscard]] std::int64_t last_used_ns(const RepoKey& key) const;

  /// Writes what was noted and takes what other mounts wrote; does nothing when there is nothing to write.
  Status save();
  /// The same at most once a minute.
  Status save_now_and_then();
  /// Takes what other mounts wrote.
  void reload();

 private:
  [[nodiscard]] UseTimes read_file() const;

  const CacheRootPtr root_;
  Mutex saving_;         ///< serialises save(); held across small file I/O
  mutable Mutex mutex_;  ///< guards what follows; never held across I/O, since every open of a file takes it
  UseTimes times_ GUARDED_BY(mutex_);
  bool noted_ GUARDED_BY(mutex_) = false;  ///< something is not in the file yet
  std::chrono::steady_clock::time_point saved_ GUARDED_BY(mutex_);
};

/// The file's text and back (kInvalid with words when it is not what hubfs writes).
std::string format_use_times(const UseTimes& times);
Result<UseTimes> parse_use_times(const std::string& text);

}  // namespace hubfs
