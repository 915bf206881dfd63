// SPDX-License-Identifier: Apache-2.0
//
// Every name of the Hugging Face cache's layout, and its inverse. No other file spells "blobs", "snapshots", "refs",
// ".locks", "trees" or ".no_exist" (tests/lint/check_cache_words.py). All paths are relative to the cache root.
// Source of the format: huggingface_hub 2.4.0 `file_download.py`, `_shared_blobs.py`, `_tree_cache.py`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/model/ids.h"

namespace hubfs::layout {

// Of the root
inline constexpr std::string_view kLocks = ".locks";
inline constexpr std::string_view kCacheDirTag = "CACHEDIR.TAG";
inline constexpr std::string_view kSharedStore = "blobs";
inline constexpr std::string_view kSharedMarker = "blobs/.huggingface-shared-blobs";
inline constexpr std::string_view kSharedMarkerContent = "1\n";
inline constexpr std::string_view kManifestSuffix = ".refs";  ///< after a payload's name
inline constexpr std::string_view kLockSuffix = ".lock";      ///< after an etag or a payload's name
// Of a repo folder
inline constexpr std::string_view kBlobs = "blobs";
inline constexpr std::string_view kRefs = "refs";
inline constexpr std::string_view kSnapshots = "snapshots";
inline constexpr std::string_view kTrees = "trees";
inline constexpr std::string_view kNoExist = ".no_exist";

/// "models--org--name".
std::string repo_folder(const RepoKey& key);
/// Its inverse; nullopt for anything that is not a valid repo folder (also ids that no client would write).
std::optional<RepoKey> parse_repo_folder(std::string_view folder);

std::string blobs_dir(const RepoKey& key);                           ///< <repo>/blobs
std::string blob(const RepoKey& key, const BlobId& etag);            ///< <repo>/blobs/<etag>
std::string refs_dir(const RepoKey& key);                            ///< <repo>/refs
std::string ref(const RepoKey& key, const RefName& name);            ///< <repo>/refs/<name>
std::string snapshots_dir(const RepoKey& key);                       ///< <repo>/snapshots
std::string snapshot(const RepoKey& key, const CommitHash& commit);  ///< <repo>/snapshots/<commit>
std::string snapshot_entry(const RepoKey& key, const CommitHash& commit, const RelPath& path);
std::string trees_dir(const RepoKey& key);                          ///< <repo>/trees
std::string listing(const RepoKey& key, const CommitHash& commit);  ///< <repo>/trees/<commit>.json
std::string no_exist_dir(const RepoKey& key, const CommitHash& commit);
std::string locks_dir(const RepoKey& key);                      ///< .locks/<repo>
std::string blob_lock(const RepoKey& key, const BlobId& etag);  ///< .locks/<repo>/<etag>.lock
std::string payload(const XetHash& hash);                       ///< blobs/<hh>/<hash>
std::string payload_manifest(const XetHash& hash);              ///< blobs/<hh>/<hash>.refs
std::string payload_lock(const XetHash& hash);                  ///< blobs/<hh>/<hash>.lock

/// What a snapshot entry's link must say to reach a blob: "../../blobs/<etag>" with one more "../" per folder of
/// `path`.
std::string link_to_blob(const RelPath& path, const BlobId& etag);
/// What a blob's link into the shared store says: "../../blobs/<hh>/<hash>".
std::string link_to_payload(const XetHash& hash);

/// What a name in `<repo>/blobs` is.
enum class BlobDirEntry { kBlob, kIncomplete, kTransient, kUnknown };
BlobDirEntry classify_blob_name(std::string_view name);
/// The blob that a kIncomplete name is a download of ("<etag>.<8 hex>.incomplete", or "<etag>.incomplete" of JS
/// clients).
std::optional<BlobId> etag_of_incomplete(std::string_view name);
/// "<ref>.<8 hex>.tmp", which Python writes beside a ref and renames: no ref of its own.
bool is_temporary_ref_name(std::string_view name);
/// Any name that some client gives to what it is still writing, in any folder of the cache.
bool is_temporary_name(std::string_view name);

/// Normalises `<dir of the link>/<target>` textually (no symlink is followed) to a path relative to the root. `target`
/// may be absolute if it lies below `root_path`. nullopt when it leads outside.
std::optional<std::string> resolve_link(std::string_view link_path, std::string_view target,
                                        std::string_view root_path);

/// Inverses of blob() and payload() for root-relative paths: which blob (of which repo folder) a link names.
struct BlobPath {
  std::string repo_folder;
  BlobId etag;
};
std::optional<BlobPath> parse_blob_path(std::string_view path);
std::optional<XetHash> parse_payload_path(std::string_view path);

}  // namespace hubfs::layout
