// SPDX-License-Identifier: Apache-2.0
//
// What each model occupies, when it was last used, and why it must stay, for the choice of those that go
// (fs/eviction.h). Reads the disk and /proc; changes nothing. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/cache/disk_use.h"
#include "core/catalog/library.h"
#include "core/catalog/memory.h"
#include "core/catalog/use_log.h"
#include "fs/eviction.h"

namespace hubfs {

struct SurveyInputs {
  const Library& library;
  Memory& memory;
  const UseLog& uses;
  const std::vector<DiskUse>& disk;            ///< of all roots, counted
  const std::map<RepoKey, std::string>& kept;  ///< that must stay for a reason the caller knows, in words
};

struct Survey {
  std::vector<EvictionCandidate> models;  ///< every repo of the library
  std::size_t unseen = 0;                 ///< processes that could not be asked what they have open
};

Survey survey_models(const SurveyInputs& inputs);

/// The later of when a repo was last used and when its newest commit was first seen, in nanoseconds since 1970.
[[nodiscard]] std::int64_t last_used_ns(const RepoEntry& repo, const UseLog& uses);

}  // namespace hubfs
