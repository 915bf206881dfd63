// SPDX-License-Identifier: Apache-2.0
//
// Removed things that are kept for a while (core/cache/kept.h), as room: when some is needed they are given up before
// any model is, the oldest first. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/cache/cache_root.h"
#include "fs/eviction.h"

namespace hubfs {

/// What of `needed` is left to be found elsewhere when all that is kept is given up.
[[nodiscard]] RoomNeeded needed_without_kept(const std::vector<CacheRootPtr>& roots, RoomNeeded needed);

/// Gives up one record after the other while `more` says so; answers how many.
std::size_t give_up_kept(const std::vector<CacheRootPtr>& roots, const std::function<bool()>& more);

}  // namespace hubfs
