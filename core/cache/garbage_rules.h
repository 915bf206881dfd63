// SPDX-License-Identifier: Apache-2.0
//
// What planning and applying a collection of garbage decide in the same way. Used inside core/cache only. Not
// thread-safe: one object for one plan, or one application.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/cache/cache_root.h"
#include "core/cache/garbage.h"
#include "core/cache/link_targets.h"
#include "core/model/ids.h"

namespace hubfs {

/// By the newer of mtime and ctime: a rename into place, a new link and a write all make a name young again.
bool is_old(const struct stat& st, const GarbageOptions& options);

/// Physical bytes that removing this name gives back; 0 for a file with other names.
std::uint64_t bytes_of_name(const struct stat& st);
/// The same of a file or a whole tree; links are not followed.
std::uint64_t bytes_of_tree(int dir_fd, const std::string& name);

/// The blob whose lock guards a name in a folder of blobs; nullopt for probes and unknown names.
std::optional<BlobId> etag_guarding(std::string_view blob_name);

/// Whether the blob's bytes are nowhere: no such name, or a link to a payload of the marked store that is not there.
/// False whenever that cannot be told.
bool blob_is_missing(const CacheRoot& root, const RepoKey& key, const BlobId& etag, LinkTargets& targets);

/// Whether a snapshot entry (a link) names a blob, or a payload, that is missing. `etag` gets the blob it names.
bool entry_dangles(const CacheRoot& root, const RepoKey& key, const std::string& path, LinkTargets& targets,
                   std::optional<BlobId>& etag);

/// A folder "tmp????????" that holds nothing but what huggingface_hub's probe for links puts there.
bool is_probe_folder(int dir_fd, const std::string& name);

/// "<anything>.<8 hex>.tmp", or the "tmp????????.tmp" that huggingface_hub writes a listing to.
bool is_leftover_name(std::string_view name);

}  // namespace hubfs
