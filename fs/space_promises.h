// SPDX-License-Identifier: Apache-2.0
//
// What the mounts of a cache have promised to downloads and is not all here yet, so that two of them do not give the
// same room away twice. Each mount has a file in the private state, which it keeps locked as long as it lives; it is
// read and written by who holds the lock of the room (state::kRoomLock). Without state, or without locks, other mounts
// are not seen. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// The lock of the room (state::kRoomLock), waited for until `give_up` answers true: a process that was stopped while
/// it holds it must not stop all others for ever. kNoSpace then. Without state, or without locks, an empty one.
Result<UniqueFd> take_room_lock(const CacheRoot& root, const std::function<bool()>& give_up);

/// So many bytes of a file may be here.
struct SpacePromise {
  RepoKey key;
  BlobId etag;
  std::uint64_t upto = 0;
};

class SpacePromises {
 public:
  explicit SpacePromises(CacheRootPtr root) : root_(std::move(root)) {}
  /// Takes its own back.
  ~SpacePromises();
  SpacePromises(const SpacePromises&) = delete;
  SpacePromises& operator=(const SpacePromises&) = delete;

  /// Says what this mount has promised, instead of what it said before.
  void publish(const std::vector<SpacePromise>& promises);
  struct Bytes {
    std::uint64_t promised = 0;
    std::uint64_t missing = 0;  ///< of these, not on the disk yet
  };
  /// What other mounts have promised. Files of dead mounts are removed.
  [[nodiscard]] Bytes of_others() const;

 private:
  void add(const std::string& text, Bytes& bytes) const;

  const CacheRootPtr root_;
  std::string name_;  ///< in the state folder
  UniqueFd own_;      ///< holds the lock
  std::string said_;
};

}  // namespace hubfs
