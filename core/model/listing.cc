// SPDX-License-Identifier: Apache-2.0
#include "core/model/listing.h"

#include <algorithm>
#include <string_view>

namespace hubfs {

namespace {

// Each folder is kept by its full path. A million files in a hundred thousand folders stay far below.
constexpr std::size_t kMaxFolderBytes = std::size_t{64} << 20U;

}  // namespace

std::optional<std::string> problem_of_paths(const Listing& listing) {
  std::size_t folder_bytes = 0;
  std::string_view before;
  for (const auto& [path, file] : listing) {
    // Folders shared with the path before were looked at there. Sorted order does not put a file beside what is in the
    // folder of its name ("a", "a-b", "a/c"), so each folder is looked up.
    const auto differs = std::mismatch(path.begin(), path.end(), before.begin(), before.end()).first;
    const auto common = static_cast<std::size_t>(differs - path.begin());
    for (std::size_t slash = path.find('/', common); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      folder_bytes += slash;
      if (folder_bytes > kMaxFolderBytes) return "too many folders in folders";
      if (listing.contains(std::string_view(path).substr(0, slash))) {
        return "\"" + path.substr(0, slash) + "\" is both a file and a folder";
      }
    }
    before = path;
  }
  return std::nullopt;
}

}  // namespace hubfs
