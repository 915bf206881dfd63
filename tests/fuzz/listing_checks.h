// SPDX-License-Identifier: Apache-2.0
//
// What must be true of any listing, wherever it came from.
#pragma once

#include <cstdint>

#include "core/cache/listing_file.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

inline bool equal(const Listing& a, const Listing& b) {
  if (a.size() != b.size()) return false;
  for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
    if (x->first != y->first || x->second.size != y->second.size || x->second.git_oid != y->second.git_oid ||
        x->second.lfs_sha256 != y->second.lfs_sha256 || x->second.xet_hash != y->second.xet_hash) {
      return false;
    }
  }
  return true;
}

inline void check_listing(const Listing& listing) {
  for (const auto& [path, file] : listing) {
    must(RelPath::parse(path) && stays_below(path), "a listed path stays below");
    must(file.size <= static_cast<std::uint64_t>(INT64_MAX), "a size that a file can have");
    must(is_lower_hex(file.git_oid, 40), "a git hash");
    must(!file.lfs_sha256 || is_lower_hex(*file.lfs_sha256, 64), "a sha256");
    must(BlobId::parse(file.etag()).has_value(), "an etag that can name a blob");
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      must(!listing.contains(path.substr(0, slash)), "no file is a folder");
    }
  }
  const auto back = parse_listing(format_listing(listing));
  must(back && equal(*back, listing), "what is saved is what was listed");
}

}  // namespace hubfs::fuzz
