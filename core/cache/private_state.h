// SPDX-License-Identifier: Apache-2.0
//
// Small acts on folders that a removal leaves behind. Thread-safe (no state).
#pragma once

#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Removes hubfs's own files about a repo: partial downloads and listings of uncached commits.
void remove_private_state(const CacheRoot& root, const RepoKey& key);

/// rmdir of a folder inside a snapshot; nothing happens when it is absent, not empty, or not a real folder.
void remove_empty_snapshot_folder(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                  const RelPath& path);

}  // namespace hubfs
