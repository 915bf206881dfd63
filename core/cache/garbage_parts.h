// SPDX-License-Identifier: Apache-2.0
//
// The part of a collection's plan that lies beside the repos. Used by garbage_plan.cc only.
#pragma once

#include "core/cache/cache_root.h"
#include "core/cache/garbage.h"

namespace hubfs {

/// Adds what the root itself, the shared store and the private state hold.
void plan_root_garbage(const CacheRoot& root, const GarbageOptions& options, GarbagePlan& plan);

}  // namespace hubfs
