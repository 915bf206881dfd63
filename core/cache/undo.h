// SPDX-License-Identifier: Apache-2.0
//
// Bringing back what a record of kept things holds (core/cache/kept.h). Nothing that is in the cache now is replaced: a
// blob, an entry or a ref that came meanwhile stays, and the record's is dropped. Each state in between is a valid
// cache, and running it again after a crash goes on. Thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

struct Restored {
  RepoKey key;
  std::vector<std::pair<CommitHash, RelPath>>
      entries;                    ///< files that are back, apart from those of a whole repo folder
  bool whole = false;             ///< the repo folder came back as it was
  std::vector<std::string> lost;  ///< a sentence for each file that could not be brought back
};

/// Brings one record of the root back and deletes it. kNotFound when there is none of this id. An error leaves the rest
/// in the record, for another try.
Result<Restored> restore_kept(const CacheRoot& root, const std::string& id);

}  // namespace hubfs
