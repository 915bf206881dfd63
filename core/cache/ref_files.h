// SPDX-License-Identifier: Apache-2.0
//
// The files below `<repo>/refs` as they are, also those whose name or content is no valid ref: a removal has to know
// every file that other clients would read as a ref to a commit. Used inside core/cache only. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

struct RefFile {
  std::string name;                  ///< path below refs, in bytes
  std::optional<CommitHash> commit;  ///< its content, trimmed of white space
  std::string problem;               ///< why there is no commit
};

/// All files below refs, sorted, temporary ones too. An absent refs folder is an empty list. `problems` (may be null)
/// gets a sentence for each folder that could not be read; `failure` (may be null) the first failure that may pass (too
/// many open files, an I/O error), after which refs may be missing from the list.
std::vector<RefFile> read_ref_files(const CacheRoot& root, const RepoKey& key, std::vector<std::string>* problems,
                                    std::optional<Error>* failure = nullptr);

/// The commit that a ref's content names: 40 lower-case hex digits, with white space around them at most.
std::optional<CommitHash> parse_ref_content(std::string_view content);

}  // namespace hubfs
