// SPDX-License-Identifier: Apache-2.0
//
// `trees/<commit>.json`, format_version 1, as huggingface_hub's `_tree_cache.py` reads and writes it. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"
#include "core/model/listing.h"

namespace hubfs {

/// Parses the file's text. Refused whole (kInvalid, with words) where Python refuses it whole: wrong version, missing
/// size or blob_id, a bad xet_hash. Paths that are not valid RelPaths or clash (file and folder) make it invalid too:
/// a listing is trusted for ever, so a strange one is worth nothing.
Result<Listing> parse_listing(std::string_view json);
/// The same text as Python writes (indent 1, sorted keys).
std::string format_listing(const Listing& listing);

/// From the cache; nullopt when there is none or it is unusable (then `problem`, if given, says why).
std::optional<Listing> read_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                    std::string* problem = nullptr);
/// Writes `trees/<commit>.json` atomically, readable by the group (mode 0640, narrowed to the repo folder's).
Status write_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const Listing& listing);

/// The same two in hubfs's private state, for commits of which nothing is cached (docs/decisions: looking leaves no
/// trace in the cache).
std::optional<Listing> read_private_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit);
Status write_private_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                             const Listing& listing);

}  // namespace hubfs
