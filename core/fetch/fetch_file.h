// SPDX-License-Identifier: Apache-2.0
//
// A file that is being filled: which of its bytes are here, and what became of it. Shared by the readers (any thread) and
// the engine's thread; one object per (repo, etag), however many readers. The bytes lie in a private sparse file; once
// published the same descriptor reads the blob. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
#include "core/base/unique_fd.h"
#include "core/model/ids.h"
#include "core/model/listing.h"
#include "core/model/range_set.h"

namespace hubfs {

/// What to fetch: one file of one commit.
struct FetchTarget {
  RepoKey key;
  CommitHash commit;
  RelPath path;
  BlobId etag;
  std::uint64_t size = 0;
  std::optional<XetHash> xet_hash;
  std::optional<RefName> ref;   ///< written at publication if the repo has no such ref yet
  ListingPtr listing;           ///< written to trees/<commit>.json at publication if there is none yet; may be null
};

class FetchFile {
 public:
  enum class Phase {
    kFilling,    ///< bytes are missing or not verified
    kComplete,   ///< verified and published (or another client's blob was adopted)
    kFailed,     ///< final error until somebody opens it again
    kRemoved,    ///< removed from the cache while open: what is here stays readable, the rest is stale
  };

  /// With `hold_back` nothing can be read before the hash of the whole was right.
  explicit FetchFile(FetchTarget target, bool hold_back = false) : target_(std::move(target)), hold_back_(hold_back) {}

  [[nodiscard]] const FetchTarget& target() const { return target_; }

  /// Whether all of `range` can be read now.
  [[nodiscard]] bool has(ByteRange range) const;
  /// The descriptor to read `range` from, for a reader who is then taken to have seen these bytes; nullopt when they are
  /// not here, or were found to be wrong. It stays valid as long as this object.
  [[nodiscard]] std::optional<int> begin_read(ByteRange range);
  [[nodiscard]] Phase phase() const;
  /// Failed or removed: whoever opens it now must begin anew.
  [[nodiscard]] bool is_over() const {
    const Phase now = phase();
    return now == Phase::kFailed || now == Phase::kRemoved;
  }
  /// Why the last attempt failed, in words ("" if it did not).
  [[nodiscard]] Error error() const;
  [[nodiscard]] std::uint64_t present_bytes() const;

  /// What keeps the background from going on, in words; "" for nothing.
  [[nodiscard]] std::string hindrance() const;

  /// A descriptor of all bytes, once they are here and known to be right (perhaps not published yet); else an empty one.
  [[nodiscard]] UniqueFd whole() const;
  /// A number for the file that the bytes lie in: another one after they were thrown away. 0 before there is one.
  [[nodiscard]] std::uint64_t partial() const;

  // For the engine.
  void set_descriptor(UniqueFd fd, const RangeSet& present);
  void add_present(ByteRange range);
  /// The bytes were found to be wrong: forgets them all, unless a reader has seen some. Answers whether it did.
  bool start_over();
  void set_hindrance(std::string words);
  /// The hash of the whole is right: the last bytes may be read, even before the blob is published.
  void set_verified();
  /// kComplete: everything can be read from `fd` (which replaces the old one only if that was not the same file).
  void set_complete(UniqueFd fd);
  void set_failed(Error error);
  void set_removed();
  void set_filling();
  /// The bytes did not match their hash: nobody who has this open reads on.
  void set_tainted() { tainted_ = true; }
  [[nodiscard]] bool tainted() const { return tainted_; }

 private:
  [[nodiscard]] bool has_locked(ByteRange range) const REQUIRES(mutex_);

  const FetchTarget target_;
  const bool hold_back_;
  std::atomic<bool> tainted_{false};
  mutable Mutex mutex_;  ///< guards all below; never held across I/O or a callback
  std::vector<UniqueFd> descriptors_ GUARDED_BY(mutex_);  ///< the last one is current; earlier ones may be in use by readers
  std::uint64_t partial_ GUARDED_BY(mutex_) = 0;
  RangeSet present_ GUARDED_BY(mutex_);
  bool verified_ GUARDED_BY(mutex_) = false;
  bool seen_ GUARDED_BY(mutex_) = false;  ///< some reader was given bytes
  std::string hindrance_ GUARDED_BY(mutex_);
  Phase phase_ GUARDED_BY(mutex_) = Phase::kFilling;
  Error error_ GUARDED_BY(mutex_);
};

using FetchFilePtr = std::shared_ptr<FetchFile>;

}  // namespace hubfs
