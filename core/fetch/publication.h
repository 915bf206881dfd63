// SPDX-License-Identifier: Apache-2.0
//
// The steps of a fill that touch the disk at length, for a worker thread: what is there when a fill begins, the hash of
// what has arrived, and making a verified file visible. No state of its own; the caller sees to it that one step of a file runs at
// a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/hash.h"
#include "core/cache/cache_root.h"
#include "core/cache/partial_file.h"
#include "core/fetch/fetch_file.h"

namespace hubfs {

/// What a fill starts from: either the bytes are in the cache already, or a partial to go on with.
struct FillStart {
  UniqueFd blob;                       ///< complete: this is it
  std::optional<PartialFile> partial;
};

/// Looks for the blob (another client may have brought it), links it from the shared store if that has it, checks the
/// floor of free space (unless the caller does that later), opens the partial. A blob that is found gets its snapshot
/// entry if it has none.
Result<FillStart> start_fill(const CacheRoot& root, const FetchTarget& target, std::optional<std::uint64_t> floor_bytes);

/// The blob as some other client left it, with the snapshot entry for this path; nullopt when it is not there.
std::optional<UniqueFd> adopt_blob(const CacheRoot& root, const FetchTarget& target);

/// Hash of a file as it arrives: fed in order from the front.
class RunningHash {
 public:
  static constexpr std::uint64_t kStep = 4U << 20U;           ///< worth a step of its own
  static constexpr std::uint64_t kLargestStep = 256U << 20U;  ///< others wait for the thread

  explicit RunningHash(const FetchTarget& target);
  /// Reads [done, end) of `fd` and adds it; also has the kernel begin to write it to the disk, so that the fsync at the end
  /// finds little left to do. kInterrupted soon after `stop` is set.
  Status advance(int fd, std::uint64_t end, const std::atomic<bool>& stop);
  [[nodiscard]] std::uint64_t done() const { return done_; }
  /// After all bytes: whether they are what the etag says. kBadContent with words otherwise.
  Status check(const FetchTarget& target);

 private:
  Hasher hasher_;
  std::uint64_t done_ = 0;
};

/// Publishes a verified partial: blob, snapshot entry, ref, listing, in this order. The caller holds the BlobLock.
Status publish(const CacheRoot& root, const FetchTarget& target, PartialFile& partial);

/// The rule for the floor of free space: the smaller of 1 GiB and 5 % of the volume, unless an option says otherwise.
std::uint64_t default_floor(const CacheRoot& root);
/// Whether `bytes` more leave the floor (0: the default one) free.
bool has_room_for(const CacheRoot& root, std::uint64_t bytes, std::uint64_t floor_bytes);
/// kNoSpace, in words, when less than the floor is free.
Status check_floor(const CacheRoot& root, std::uint64_t floor_bytes);

}  // namespace hubfs
