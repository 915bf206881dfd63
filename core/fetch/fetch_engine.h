// SPDX-License-Identifier: Apache-2.0
//
// Where cache and Hub meet: files that are read before they are there are filled by ranges, verified and published.
// All state of fills lives on the loop's thread (core/hub/http_loop.h); hashing, fsync and publication run on worker
// threads; readers may call from any thread and are answered by callback, so that no reader's thread waits here.
//
// Order of work: what a reader waits for, then the rest of the file from there on. A range is asked for once, however
// many readers want it. The HF lock of the blob is held only while a fill to completion makes progress; while another
// process holds it, only what readers wait for is fetched, and the other's blob is adopted when it appears.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/cache/cache_root.h"
#include "core/fetch/fetch_file.h"
#include "core/hub/hub_client.h"

namespace hubfs {

struct FetchOptions {
  int connections_per_file = 8;
  int connections = 16;                              ///< of all fills together; demand reads may exceed it
  std::uint64_t chunk_bytes = 16U << 20U;            ///< one background request
  std::chrono::seconds give_up_after{120};           ///< a read without a byte for this long gets an error
  std::chrono::seconds open_gives_up_after{10};      ///< an open
  std::uint64_t floor_bytes = 0;                     ///< free space that downloads leave alone; 0: the default rule
};

/// What the file system wants to know. Called on engine threads, with no lock held; must not block.
class FetchEvents {
 public:
  virtual ~FetchEvents() = default;
  /// A blob came into the cache (names that show it should be looked up again).
  virtual void on_published(const FetchTarget& target) = 0;
  /// A file starts to take space, or stopped without success.
  virtual void on_changed(const FetchTarget& target) = 0;
};

struct FetchStatus {
  struct File {
    std::string repo;
    std::string path;
    std::uint64_t size = 0;
    std::uint64_t present = 0;
    std::string error;
  };
  std::vector<File> active;
  std::string last_error;
};

class FetchEngine {
 public:
  using Done = std::function<void(Status)>;

  /// `root` is where downloads go. `events` outlives the engine.
  FetchEngine(CacheRootPtr root, HttpLoop& loop, HubClient& hub, FetchOptions options, FetchEvents& events);
  /// Ends all fills at once (partials stay for the next mount); pending callbacks get kUnreachable.
  ~FetchEngine();
  FetchEngine(const FetchEngine&) = delete;
  FetchEngine& operator=(const FetchEngine&) = delete;

  // Any thread.

  /// Joins or begins the fill of a file; `opened` is called once: success when bytes can be waited for (the first answer's
  /// status was good, or something is there already), else why not.
  FetchFilePtr open(const FetchTarget& target, Done opened);
  /// Asks for the whole file; `done` when it is published or finally failed.
  void fetch_all(const FetchTarget& target, Done done);
  /// `done` is called once when all of `range` (cut to the size) can be read from file->fd(), or when that is finally
  /// impossible. Not called after the engine is gone.
  void wait_for(const FetchFilePtr& file, ByteRange range, Done done);
  /// A read was served from what is here: keeps the fill ahead of a sequential reader. Cheap.
  void note_read(const FetchFilePtr& file, ByteRange range);
  /// Ends the fills of a repo (or of one blob), because it is being removed; returns when nothing of it is written any more. Not on
  /// the loop's thread. Readers get kStale for what is not there.
  void forget_repo(const RepoKey& key);
  void forget_blob(const RepoKey& key, const BlobId& etag);
  void forget_commit(const RepoKey& key, const CommitHash& commit);
  /// The file of an etag that is being filled, if any.
  [[nodiscard]] FetchFilePtr find(const RepoKey& key, const BlobId& etag) const;
  [[nodiscard]] FetchStatus status() const;

 private:
  struct State;
  void forget(const std::function<bool(const FetchTarget&)>& match);
  std::shared_ptr<State> state_;
};

}  // namespace hubfs
