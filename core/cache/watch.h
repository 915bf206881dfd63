// SPDX-License-Identifier: Apache-2.0
//
// What other programs change in the cache, by inotify: one instance for any number of folders of any number of roots.
// The owner polls fd() and calls drain(). An event says where to look again, never what is there: names come and go,
// events merge and get lost. Where inotify cannot see changes (network and FUSE file systems) or has no watches left,
// adding a folder fails with kUnsupported, and the owner polls the disk instead.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Something happened in a watched folder.
struct WatchEvent {
  std::uint64_t tag = 0;   ///< as given to add_dir(); 0 when `overflow`
  std::uint32_t mask = 0;  ///< IN_CREATE and so on
  std::string_view name;   ///< in the folder; empty when the event is about the folder itself; valid during the call
  bool overflow = false;   ///< events were lost: everything may have changed
};

/// Thread-safe; drain() is for one thread at a time.
class CacheWatch {
 public:
  /// Which names drain() tells: not those that clients give to what they are still writing
  /// (layout::is_temporary_name), so that a download does not wake anybody before it is complete; or all.
  enum class Names : std::uint8_t { kFinal, kAll };
  static Result<std::unique_ptr<CacheWatch>> create(Names names = Names::kFinal);
  CacheWatch(const CacheWatch&) = delete;
  CacheWatch& operator=(const CacheWatch&) = delete;

  /// Readable when drain() has something to do.
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Watches a real folder below `dir_fd` ("." for itself; no symlink on the way is followed) for names that come, go
  /// or change, and for its own end. A folder may be added again, also with another tag: its events then carry each
  /// tag.
  Status add_dir(int dir_fd, const std::string& path, std::uint64_t tag);
  /// Ends all watches that have this tag and no other.
  void remove_tag(std::uint64_t tag);
  /// Folders watched now.
  [[nodiscard]] std::size_t size() const;

  /// Calls `each` for every event there is, without waiting and without holding a lock: it may add and remove watches.
  void drain(const std::function<void(const WatchEvent&)>& each);

 private:
  CacheWatch(UniqueFd fd, Names names) : fd_(std::move(fd)), names_(names) {}
  [[nodiscard]] std::vector<std::uint64_t> tags_of(int watch, bool ended);

  const UniqueFd fd_;
  const Names names_;
  mutable Mutex mutex_;  ///< guards the maps; never held during a callback
  std::unordered_map<int, std::vector<std::uint64_t>> tags_ GUARDED_BY(mutex_);     ///< by inotify's number
  std::unordered_map<std::uint64_t, std::vector<int>> watches_ GUARDED_BY(mutex_);  ///< by tag
};

/// Why inotify sees nothing, or not everything, on the file system of `fd` ("nfs", …); nullopt where it works.
[[nodiscard]] std::optional<std::string> unwatchable(int fd);

/// What a folder of a repo holds.
enum class WatchKind : std::uint8_t { kRepo, kRefs, kSnapshots, kSnapshot, kBlobs, kListings };

struct WatchDir {
  std::string path;  ///< below the root
  WatchKind kind = WatchKind::kRepo;
  std::optional<CommitHash> commit;  ///< for kSnapshot
};

/// The folders of a repo to watch: the repo itself, refs with all folders below, snapshots, blobs, the listings, and
/// for the `loaded` commits their snapshots with all folders below; those that exist. kNotFound when the repo does not.
Result<std::vector<WatchDir>> watch_dirs(const CacheRoot& root, const RepoKey& key,
                                         const std::vector<CommitHash>& loaded);

}  // namespace hubfs
