// SPDX-License-Identifier: Apache-2.0
//
// The complete list of the files of one commit, as the Hub's tree API or `trees/<commit>.json` gives it. Immutable once
// built (a commit never changes), so it is shared between threads without a lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/model/ids.h"

namespace hubfs {

/// One file of a commit.
struct ListedFile {
  std::uint64_t size = 0;             ///< bytes of the content (not of an LFS pointer)
  std::string git_oid;                ///< git blob sha1; of the pointer for an LFS file
  std::optional<std::string> lfs_sha256;
  std::optional<XetHash> xet_hash;

  /// The name of its blob: sha256 for LFS, else the git sha1.
  [[nodiscard]] const std::string& etag() const { return lfs_sha256 ? *lfs_sha256 : git_oid; }
};

/// Path to file; the paths are valid RelPaths and no path is a folder of another.
using Listing = std::map<std::string, ListedFile, std::less<>>;
using ListingPtr = std::shared_ptr<const Listing>;

/// What is wrong with the paths of a listing together, in words: a path that is a file and also a folder of another, or
/// folders so many and so deep that their names alone would fill the memory (a short listing can have millions). nullopt
/// when nothing is.
[[nodiscard]] std::optional<std::string> problem_of_paths(const Listing& listing);

}  // namespace hubfs
