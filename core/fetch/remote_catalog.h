// SPDX-License-Identifier: Apache-2.0
//
// What the Hub has been asked about repos and commits: which commit a revision is, what files a commit has. Coalesces
// equal questions, bounds each to a few seconds, and remembers refusals (60 s), so that programs which probe for many
// names do not flood the Hub or wait again and again. Answers come by callback on the loop's thread. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/thread_annotations.h"
#include "core/cache/cache_root.h"
#include "core/hub/hub_client.h"
#include "core/model/listing.h"

namespace hubfs {

struct RemoteOptions {
  std::chrono::milliseconds wait{3'000};        ///< a look-up or listing waits at most this long
  std::chrono::seconds remember_refusal{60};
  std::chrono::seconds remember_outage{60};
};

class RemoteCatalog {
 public:
  RemoteCatalog(std::vector<CacheRootPtr> roots, HttpLoop& loop, HubClient& hub, RemoteOptions options);

  /// The commit of a revision if it was asked before; nullopt otherwise. No network.
  [[nodiscard]] std::optional<CommitHash> known_commit(const RepoKey& key, const std::string& revision) const;
  /// The remembered refusal for this question, if it is still fresh.
  [[nodiscard]] std::optional<Error> refusal(const RepoKey& key, const std::string& revision) const;
  /// Why the Hub's last answer could not be used, or why there was none, in words; "" when all could. What it simply does
  /// not have does not count.
  [[nodiscard]] std::string last_refusal() const;
  /// Asks; `done` is called on the loop's thread (or at once, on the caller's, when the answer is remembered).
  void resolve(const RepoKey& key, const std::string& revision, const std::function<void(Result<CommitHash>)>& done);

  /// The listing of a commit from memory, the cache's trees/ or the private state; null if not known. May read the disk.
  [[nodiscard]] ListingPtr known_listing(const RepoKey& key, const CommitHash& commit);
  /// Whether asking the Hub for the listing makes sense now (not offline, no fresh refusal or outage).
  [[nodiscard]] bool may_ask_listing(const RepoKey& key, const CommitHash& commit) const;
  /// Asks; the listing is saved to trees/<commit>.json where the commit has a snapshot, else in the private state.
  void list(const RepoKey& key, const CommitHash& commit, const std::function<void(Result<ListingPtr>)>& done);

  /// Forgets listings and commits of a repo (it was removed, or its refs moved).
  void forget(const RepoKey& key);

 private:
  struct Refusal {
    Error error;
    std::chrono::steady_clock::time_point until;
  };
  [[nodiscard]] std::optional<Error> fresh_refusal_locked(const std::string& question) const REQUIRES(mutex_);
  void note_refusal(const std::string& question, const HubError& error);
  void save_listing(const RepoKey& key, const CommitHash& commit, const Listing& listing) const;

  const std::vector<CacheRootPtr> roots_;
  HttpLoop& loop_;
  HubClient& hub_;
  const RemoteOptions options_;
  mutable Mutex mutex_;  ///< guards the maps; never held across disk, network or a callback
  std::map<std::string, CommitHash> commits_ GUARDED_BY(mutex_);
  std::map<std::string, ListingPtr> listings_ GUARDED_BY(mutex_);
  std::map<std::string, Refusal> refusals_ GUARDED_BY(mutex_);
  std::string last_refusal_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point outage_until_ GUARDED_BY(mutex_);
  std::string outage_words_ GUARDED_BY(mutex_);
  ErrorKind outage_kind_ GUARDED_BY(mutex_) = ErrorKind::kUnreachable;
  std::map<std::string, std::vector<std::function<void(Result<CommitHash>)>>> resolving_ GUARDED_BY(mutex_);
  std::map<std::string, std::vector<std::function<void(Result<ListingPtr>)>>> listing_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, HubCall> calls_;  ///< loop thread only
  std::uint64_t next_call_ = 1;             ///< loop thread only
};

}  // namespace hubfs
