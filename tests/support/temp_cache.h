// SPDX-License-Identifier: Apache-2.0
//
// A cache in a folder of its own under $TMPDIR, filled exactly as huggingface_hub 2.4.0 leaves it, and deleted at the
// end. For tests; every failure of the fixture itself aborts the test program. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs::test {

/// A repo from "model/org/name" or "dataset/name".
RepoKey repo_key(std::string_view text);
/// A commit of forty times the same digit.
CommitHash commit_of(char digit);
RelPath rel_path(std::string_view text);
RefName ref_name(std::string_view text);
BlobId blob_id(std::string_view text);

class TempCache {
 public:
  TempCache();
  ~TempCache();
  TempCache(const TempCache&) = delete;
  TempCache& operator=(const TempCache&) = delete;

  [[nodiscard]] const std::string& dir() const { return dir_; }     ///< the folder around the root
  [[nodiscard]] std::string path() const { return dir_ + "/hub"; }  ///< the root
  /// The root, opened (and kept) at the first call.
  const CacheRoot& root();

  /// A downloaded file: blob by its git sha1 (or sha256 with `lfs`), link in the snapshot, lock file. Answers the etag.
  BlobId add_file(const RepoKey& key, const CommitHash& commit, std::string_view path, std::string_view content,
                  bool lfs = false);
  /// The same, with its bytes in the shared store (made with its marker if there is none). Answers the payload's hash.
  XetHash add_shared_file(const RepoKey& key, const CommitHash& commit, std::string_view path,
                          std::string_view content);
  void set_ref(const RepoKey& key, std::string_view name, const CommitHash& commit);

  // Anything else, by path below the root; parents are made.
  void write(const std::string& path, std::string_view content);
  void link(const std::string& path, const std::string& target);
  void make_dir(const std::string& path);
  void make_fifo(const std::string& path);
  void make_socket(const std::string& path);
  void chmod(const std::string& path, unsigned mode);
  void chown(const std::string& path, unsigned uid, unsigned gid);
  void remove(const std::string& path);

  /// lstat succeeds.
  [[nodiscard]] bool exists(const std::string& path) const;
  /// Follows links; fails the test when it cannot be read.
  [[nodiscard]] std::string read(const std::string& path) const;
  [[nodiscard]] std::string read_link(const std::string& path) const;
  [[nodiscard]] unsigned mode(const std::string& path) const;
  /// Every name below the root, links as "name -> target", folders with "/" at the end, sorted.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  [[nodiscard]] std::string full(const std::string& path) const;
  void make_parents(const std::string& path);

  std::string dir_;
  CacheRootPtr root_;
};

/// sha256 and git sha1 of a text, as they name blobs.
std::string sha256_of(std::string_view content);
std::string git_sha1_of(std::string_view content);
/// The hash under which add_shared_file() files a content.
XetHash xet_hash_of(std::string_view content);

/// Runs `body` in a child process; true when it answered true. For what must not happen in the test's own process
/// (other user, other mounts, held locks).
bool in_child(const std::function<bool()>& body);
/// The same as an ordinary user, whoever runs the test. `body` sees the effective ids only.
bool as_ordinary_user(const std::function<bool()>& body);

}  // namespace hubfs::test
