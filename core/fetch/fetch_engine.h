// SPDX-License-Identifier: Apache-2.0
//
// Where cache and Hub meet: files that are read before they are there are filled by ranges, verified and published.
// All state of fills lives on the loop's thread (core/hub/http_loop.h); hashing, fsync and publication run on worker
// threads; readers may call from any thread and are answered by callback, so that no reader's thread waits here.
//
// Order of work: what a reader waits for, readahead of sequential readers, the rest of the file where that is wanted
// (fill_policy.h). A range is asked for once, however many readers want it. The HF lock of the blob is held only while a
// fill to completion makes progress; while another process holds it, only the first two go on, and the other's blob is
// adopted when it appears.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cache/cache_root.h"
#include "core/fetch/fetch_file.h"
#include "core/fetch/fetch_options.h"
#include "core/fetch/fill_readers.h"
#include "core/hub/hub_client.h"

namespace hubfs {

/// What the file system wants to know. Called on engine threads, with no lock held; must not block.
class FetchEvents {
 public:
  virtual ~FetchEvents() = default;
  /// A blob came into the cache (names that show it should be looked up again).
  virtual void on_published(const FetchTarget& target) = 0;
  /// A file starts to take space, or stopped without success.
  virtual void on_changed(const FetchTarget& target) = 0;
  /// The bytes of a file that somebody has read, or may have read in an earlier fill, were found to be wrong.
  virtual void on_tainted(const FetchTarget& target) = 0;
  /// Partial downloads of a repo were removed, because nobody had used them for long or all took too much.
  virtual void on_cleaned(const RepoKey& key) = 0;
  /// Asked with FetchOptions::ask_for_room, before more of the file is here than `upto` bytes: as soon as there is room for
  /// them, or will not be (kNoSpace, with words), `done` is called once, on any thread.
  virtual void make_room(const FetchFilePtr& file, std::uint64_t upto, std::function<void(Status)> done) {
    static_cast<void>(file);
    static_cast<void>(upto);
    const auto granted = std::move(done);
    granted({});
  }
};

struct FetchStatus {
  struct File {
    std::string repo;
    std::string path;
    std::uint64_t size = 0;
    std::uint64_t present = 0;
    std::string error;     ///< why it failed, or what keeps it from going on
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

  /// Removes partial downloads that are of no more use, now and every half hour (FetchOptions says which).
  void begin_cleaning();
  /// Ends all fills and takes no more; what the destructor does, for owners whose callbacks end before it. Not on the
  /// loop's thread.
  void shut_down();

  // Any thread.

  /// A number for open() or wait_for(), by which the wait can be taken back.
  WaitId new_wait();
  /// Joins or begins the fill of a file; `opened` is called once: with the file when bytes can be waited for (the first
  /// answer's status was good, or something is there already), else why not. Each success is followed by a close().
  void open(const FetchTarget& target, WaitId wait, std::function<void(Result<FetchFilePtr>)> opened);
  /// No handle of the file is open any more.
  void close(const FetchFilePtr& file);
  /// Asks for the whole file; `done` when it is published or finally failed.
  void fetch_all(const FetchTarget& target, Done done);
  /// Ends the background fill of a file; what has arrived stays.
  void stop_filling(const FetchFilePtr& file);
  /// `done` is called once when all of `range` (cut to the size) can be read, or when that is finally impossible. Not
  /// called after the engine is gone.
  void wait_for(const FetchFilePtr& file, ByteRange range, WaitId wait, Done done);
  /// Takes a wait back: whoever waited is gone. Its callback may still be on its way.
  void cancel(WaitId wait);
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
  [[nodiscard]] const FetchOptions& options() const;

 private:
  struct State;
  void forget(const std::function<bool(const FetchTarget&)>& match);
  std::shared_ptr<State> state_;
};

}  // namespace hubfs
