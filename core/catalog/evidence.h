// SPDX-License-Identifier: Apache-2.0
//
// Reads what classify() needs from files that are already in the cache; never downloads, never opens a weight file.
#pragma once

#include "core/cache/cache_root.h"
#include "core/catalog/family.h"
#include "core/model/ids.h"

namespace hubfs {

/// Evidence of one snapshot; fields stay empty where a file is absent, too large (1 MiB) or not JSON.
Evidence read_evidence(const CacheRoot& root, const RepoKey& key, const CommitHash& commit);

}  // namespace hubfs
