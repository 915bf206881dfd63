// SPDX-License-Identifier: Apache-2.0
//
// Where hubfs keeps its private state below CacheRoot::state_fd(): partial downloads, listings of uncached commits, the
// trash. One place spells these names, as layout.h does for the shared part.
#pragma once

#include <string>

#include "core/cache/layout.h"
#include "core/model/ids.h"

namespace hubfs::state {

inline constexpr const char* kPartial = "partial";
inline constexpr const char* kTrash = "trash";
inline constexpr const char* kKept = "kept";  ///< removed things that can be brought back (core/cache/kept.h)
inline constexpr const char* kListings = "listings";
inline constexpr const char* kNamesFile = "names.json";    ///< names given, first-seen times
inline constexpr const char* kHiddenFile = "hidden.json";  ///< tombstones
inline constexpr const char* kUsedFile = "used.json";      ///< when each repo was last used
inline constexpr const char* kRoomLock = "room.lock";      ///< held by the mount that gives room or makes some
inline constexpr const char* kPromises = "promises";       ///< room given to downloads, a file for each mount

inline std::string partial_dir(const RepoKey& key) { return std::string(kPartial) + "/" + layout::repo_folder(key); }
/// The sparse data file of a blob that is being downloaded, and the journal of which ranges are in it.
inline std::string partial_data(const RepoKey& key, const BlobId& etag) {
  return partial_dir(key) + "/" + etag.text() + ".data";
}
inline std::string partial_ranges(const RepoKey& key, const BlobId& etag) {
  return partial_dir(key) + "/" + etag.text() + ".ranges";
}
inline std::string listing_dir(const RepoKey& key) { return std::string(kListings) + "/" + layout::repo_folder(key); }
inline std::string listing(const RepoKey& key, const CommitHash& commit) {
  return listing_dir(key) + "/" + commit.text() + ".json";
}

}  // namespace hubfs::state
