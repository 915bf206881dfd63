// SPDX-License-Identifier: Apache-2.0
//
// A file to fetch, for tests that need one and do not care which.
#pragma once

#include <cstdint>

#include "core/fetch/fetch_file.h"

namespace hubfs::test {

inline FetchTarget fetch_target(std::uint64_t size) {
  return {.key = {RepoType::kModel, *RepoId::parse("org/name")},
          .commit = *CommitHash::parse(std::string(40, 'a')),
          .path = *RelPath::parse("a/b.bin"),
          .etag = *BlobId::parse(std::string(64, 'b')),
          .size = size,
          .xet_hash = std::nullopt,
          .ref = std::nullopt,
          .listing = nullptr};
}

}  // namespace hubfs::test
