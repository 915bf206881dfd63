// SPDX-License-Identifier: Apache-2.0
//
// Keeps a mount within a quota and a volume's free space above a limit: downloads ask here before they take space, and
// the models that were not used for longest are removed until there is room, or the download is refused in words. One
// thread decides, one request after the other; of several mounts of a cache one at a time (a lock in the private
// state). The same thread saves the times of use. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/cache/disk_use.h"
#include "core/catalog/library.h"
#include "core/catalog/memory.h"
#include "core/catalog/use_log.h"
#include "core/fetch/fetch_file.h"
#include "fs/eviction.h"
#include "fs/space_promises.h"

namespace hubfs {

struct SpaceLimits {
  std::uint64_t quota = 0;     ///< physical bytes of all roots together; 0: no limit
  std::uint64_t min_free = 0;  ///< of the first root's volume; 0: no limit
};

class SpaceKeeper {
 public:
  using Done = std::function<void(Status)>;
  /// Removes a repo from all roots, and returns when its space has been given back.
  using Remove = std::function<Status(const RepoKey&)>;

  struct Report {
    std::uint64_t occupied = 0;  ///< by all roots, when it was counted last
    std::uint64_t evicted = 0;   ///< models removed by this mount
    std::uint64_t evicted_bytes = 0;
    std::string last;        ///< what was removed or refused last, in words
    std::size_t unseen = 0;  ///< processes that could not be asked what they have open
  };

  /// `library`, `memory` and `uses` outlive it.
  SpaceKeeper(Library& library, Memory& memory, UseLog& uses, SpaceLimits limits, Remove remove);
  /// Waits for a removal that is under way; what waits for room hears that the mount ends.
  ~SpaceKeeper();
  SpaceKeeper(const SpaceKeeper&) = delete;
  SpaceKeeper& operator=(const SpaceKeeper&) = delete;

  /// Makes room for the first `upto` bytes of a file that is being filled; see FetchEvents::make_room. Never blocks;
  /// `done` is called on the keeper's thread.
  void make_room(FetchFilePtr file, std::uint64_t upto, Done done);
  [[nodiscard]] Report report() const;

 private:
  struct Request {
    FetchFilePtr file;
    std::uint64_t upto = 0;
    Done done;
  };
  // What was granted and is not all here yet.
  struct Promise {
    std::weak_ptr<FetchFile> file;
    std::uint64_t upto = 0;
  };

  // The keeper's thread.
  void run();
  Status decide(const Request& request);
  void drop_fulfilled();
  void save_uses();
  void publish_promises();
  Status evict_for(const Request& request, std::uint64_t bytes);
  void count();
  bool fits_by_last_count(std::uint64_t bytes, std::uint64_t promised_by_others);
  [[nodiscard]] RoomNeeded needed_for(std::uint64_t bytes) const;
  [[nodiscard]] std::uint64_t promised() const;
  [[nodiscard]] std::uint64_t free_bytes() const;
  [[nodiscard]] std::map<RepoKey, std::string> kept_for(const RepoKey& wanted) const;
  [[nodiscard]] Error no_room(std::uint64_t bytes, const std::vector<std::string>& stay) const;
  [[nodiscard]] bool stopping() const;
  void note_evicted(const RepoKey& key, const Request& request, std::uint64_t bytes);

  Library& library_;
  Memory& memory_;
  UseLog& uses_;
  const SpaceLimits limits_;
  const Remove remove_;
  // The keeper's thread only.
  std::vector<DiskUse> disk_;
  std::uint64_t total_ = 0;    // at the last count
  std::uint64_t at_most_ = 0;  // with what was promised since
  std::chrono::steady_clock::time_point counted_;
  std::map<const FetchFile*, Promise> promises_;
  SpacePromises shared_;
  std::uint64_t others_ = 0;  // promised by other mounts and not here yet

  mutable Mutex mutex_;  ///< guards what follows; never held across disk access or a callback
  std::condition_variable wake_;
  std::deque<Request> queue_ GUARDED_BY(mutex_);
  Report report_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hubfs
