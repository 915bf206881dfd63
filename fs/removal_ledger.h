// SPDX-License-Identifier: Apache-2.0
//
// What became of removals, for `hubfs status`: bytes given back, bytes that open files still hold, deletions that failed
// and are tried again, removals that were refused and why. Thread-safe; asks /proc with no lock held.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/process_files.h"
#include "core/base/thread_annotations.h"
#include "core/cache/removal.h"

namespace hubfs {

class RemovalLedger {
 public:
  struct Note {
    std::string what;
    std::string why;
    bool operator==(const Note&) const = default;
  };
  struct Report {
    std::uint64_t given_back = 0;    ///< bytes of everything removed, less `pending`
    std::uint64_t pending = 0;       ///< bytes of removed files that a program still has open
    std::vector<std::string> holders;  ///< who: "python3 (process 4711)"
    std::vector<Note> failed;        ///< deletions that are tried again
    std::vector<Note> refused;       ///< the last few removals that were refused
  };

  /// These bytes were removed from the cache. Who holds them open is looked at by settle().
  void removed(const std::vector<FreedInode>& freed);
  /// Looks who has what was just removed open; costs a walk over /proc, so it is for a thread that nobody waits for.
  void settle();
  /// A deletion failed, or failed no more.
  void failed(const std::string& what, const std::string& why);
  void done(const std::string& what);
  /// A removal was refused.
  void refused(const std::string& what, const std::string& why);
  /// As it is now; walks over /proc when something was held open.
  [[nodiscard]] Report report();

 private:
  using Held = std::map<FileIdentity, std::uint64_t>;  // bytes

  Mutex mutex_;  ///< guards all of it; held across nothing
  Held fresh_ GUARDED_BY(mutex_);
  Held held_ GUARDED_BY(mutex_);
  std::uint64_t total_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::string> failed_ GUARDED_BY(mutex_);
  std::deque<Note> refused_ GUARDED_BY(mutex_);
};

}  // namespace hubfs
