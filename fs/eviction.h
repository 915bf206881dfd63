// SPDX-License-Identifier: Apache-2.0
//
// Which models go when room is needed: the least recently used first, none that is kept for a reason, and none at all
// when all that may go would not be enough. A pure function of what the caller found out. Thread-safe (no state).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/cache/disk_use.h"
#include "core/model/ids.h"

namespace hubfs {

struct EvictionCandidate {
  RepoKey key;
  std::int64_t last_used_ns = 0;
  FileUses files;    ///< all that goes with it
  std::string kept;  ///< why it must stay, in words ("it is pinned"); "" when it may go
};

/// How much must be given back, by two measures at once.
struct RoomNeeded {
  std::uint64_t anywhere = 0;   ///< physical bytes, whatever the volume
  std::uint64_t on_volume = 0;  ///< of these, on `volume`; may be the larger one
  dev_t volume = 0;
  [[nodiscard]] bool none() const { return anywhere == 0 && on_volume == 0; }
};

struct EvictionChoice {
  bool enough = false;
  std::vector<RepoKey> go;        ///< in this order; empty when it would not be enough
  std::uint64_t bytes = 0;        ///< given back by those that go
  std::vector<std::string> stay;  ///< "model/org/name (it is pinned)", for those that are kept
};

/// A file gives its bytes back when all repos that have it go, and nothing else has a name for it. Repos whose removal
/// gives nothing of what is still needed are passed over.
[[nodiscard]] EvictionChoice choose_evictions(std::vector<EvictionCandidate> candidates, const RoomNeeded& needed);

/// The one of a repo; null when there is none.
[[nodiscard]] const EvictionCandidate* find_model(const std::vector<EvictionCandidate>& models, const RepoKey& key);
/// What its files occupy, without those that have other names.
[[nodiscard]] std::uint64_t bytes_alone(const EvictionCandidate& model);

/// Those that stay as the end of a sentence, cut after a few: "; what stays: …". "" when none does.
[[nodiscard]] std::string words_of_kept(const std::vector<std::string>& stay);

}  // namespace hubfs
