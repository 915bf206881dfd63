// SPDX-License-Identifier: Apache-2.0
//
// What hubfs remembers about the repos of a view across restarts: names given, families, when a commit was first seen,
// hidden files, pins. One JSON file in the private state of the first root; without state (read-only cache) it lives in
// memory only. Several mounts of one cache share the file: each change is merged under a lock, and reload() takes what
// the others saved. A file that cannot be
// parsed is set aside as `<name>.broken`, reported, and never silently overwritten. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

struct RememberedRepo {
  std::string family;                ///< shelf it was filed on
  std::string type;
  std::string name;                  ///< name on that shelf
  std::string evidence_commit;       ///< commit whose evidence decided the family; "" when there was no evidence
  bool pinned = false;
  std::map<std::string, std::int64_t> first_seen_ns;             ///< by commit
  std::map<std::string, std::set<std::string>> hidden;           ///< commit to paths that `rm` hid
  bool operator==(const RememberedRepo&) const = default;
};

using RememberedRepos = std::map<std::string, RememberedRepo>;   ///< by RepoKey::text()

class Memory {
 public:
  /// Reads the file, if there is state and a file.
  explicit Memory(CacheRootPtr first_root);

  [[nodiscard]] RememberedRepo repo(const RepoKey& key) const;
  [[nodiscard]] bool is_hidden(const RepoKey& key, const CommitHash& commit, const std::string& path) const;
  /// As this mount knows it.
  [[nodiscard]] bool is_pinned(const RepoKey& key) const;
  /// As it is now, also when another mount has just changed it. True when what is remembered cannot be read.
  [[nodiscard]] bool is_pinned_now(const RepoKey& key);

  /// Reads the file again if another mount has saved it. The repos, by RepoKey::text(), whose hidden files or pin others
  /// have changed since this was asked last.
  std::set<std::string> reload();

  /// Hides a path of a commit at once; saved with the next flush(), since `rm -r` hides many.
  void hide(const RepoKey& key, const CommitHash& commit, const std::string& path);
  /// The path is there again (somebody fetched it): it is not hidden any more.
  void unhide(const RepoKey& key, const CommitHash& commit, const std::string& path);
  /// Everything about a repo that is gone.
  void forget(const RepoKey& key);
  /// Saves what hide() and forget() noted.
  Status flush();

  /// Changes the map and saves it. The change sees what other mounts saved meanwhile, and may be run on it again, so it must be
  /// a pure function of the map. An error means: remembered for this mount, but not saved.
  Status change(const std::function<void(RememberedRepos&)>& change);

 private:
  Status save_locked() REQUIRES(mutex_);
  void load_locked() REQUIRES(mutex_);

  const CacheRootPtr root_;
  mutable Mutex mutex_;  ///< guards the map and the file; held across small file I/O, never across a callback out of here
  RememberedRepos repos_ GUARDED_BY(mutex_);
  struct Note {
    std::string key;
    std::string commit;
    std::string path;  ///< "": the whole repo is forgotten
    bool hidden = true;
  };
  static void apply(const Note& note, RememberedRepos& repos);
  std::vector<Note> notes_ GUARDED_BY(mutex_);  ///< applied to repos_, not yet to the file
  std::set<std::string> changed_by_others_ GUARDED_BY(mutex_);
  bool unreadable_ GUARDED_BY(mutex_) = false;  ///< the file is there and could not be read: it is not written either
  std::uint64_t loaded_version_ GUARDED_BY(mutex_) = 0;  ///< inode and mtime of the file that repos_ came from, mixed
};

/// The file's text and back (kInvalid with words when it is not what hubfs writes).
std::string format_memory(const RememberedRepos& repos);
Result<RememberedRepos> parse_memory(const std::string& text);

}  // namespace hubfs
