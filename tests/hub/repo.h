// SPDX-License-Identifier: Apache-2.0
//
// A repo as it is served: its commits and refs. All immutable; a change makes a new Repo that shares the old commits.
#ifndef HUBFS_TESTS_HUB_REPO_H_
#define HUBFS_TESTS_HUB_REPO_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/hub/repo_spec.h"

namespace hubfs::testing {

struct CommitStamp {
  std::string hash;
  std::string title;
  std::string date;  // 2024-01-02T00:00:00.000Z
};

struct FileEntry {
  ContentPtr content;
  bool lfs = false;
  bool xet = false;
  std::shared_ptr<const CommitStamp> last_commit;  // the one that brought this content

  std::string pointer() const;  // the text git holds instead of an LFS file
  std::string oid() const;      // git's object id: of the pointer for LFS
  std::string etag() const;     // sha256 for LFS, the object id otherwise; no quotes
  std::string xet_hash() const;
};

// A line of a listing: a file, or a directory without one.
struct TreeItem {
  std::string path;
  const FileEntry* file = nullptr;
};
using TreeItems = std::vector<TreeItem>;

class Commit {
 public:
  using Entries = std::map<std::string, FileEntry>;

  Commit(std::shared_ptr<const Commit> parent, CommitStamp stamp, Entries entries);

  const CommitStamp& stamp() const { return *stamp_; }
  const std::string& hash() const { return stamp_->hash; }
  const std::shared_ptr<const Commit>& parent() const { return parent_; }
  const Entries& entries() const { return entries_; }
  const FileEntry* file(const std::string& path) const;
  bool has_directory(const std::string& path) const;  // "" is the root
  // Directories first, then files, then what is below; nothing if there is no such directory. Listings are kept, since
  // a client asks for page after page of the same one.
  std::shared_ptr<const TreeItems> list(const std::string& directory, bool recursive) const;
  // git's object id of a directory.
  std::string directory_oid(const std::string& directory) const;

 private:
  struct Directory {
    std::map<std::string, std::unique_ptr<Directory>> directories;
    std::map<std::string, const FileEntry*> files;
  };
  const Directory* find(const std::string& path) const;
  static void append(const Directory& directory, const std::string& prefix, bool recursive, TreeItems& items);
  std::string hash_directory(const Directory& directory, const std::string& path) const;

  std::shared_ptr<const Commit> parent_;
  std::shared_ptr<const CommitStamp> stamp_;
  Entries entries_;
  Directory root_;
  mutable std::mutex mutex_;  // guards the two below
  mutable std::map<std::pair<std::string, bool>, std::shared_ptr<const TreeItems>> listings_;
  mutable std::map<std::string, std::string> directory_oids_;
};
using CommitPtr = std::shared_ptr<const Commit>;

class Repo {
 public:
  explicit Repo(RepoSpec spec);

  const RepoSpec& spec() const { return spec_; }  // without its files
  RepoType type() const { return spec_.type; }
  const std::string& id() const { return spec_.id; }
  // "models/org/name"
  std::string key() const { return type_folder(spec_.type) + "/" + spec_.id; }
  // By branch, tag, refs/…, "HEAD" or a commit's 40 hex. Null if there is none.
  CommitPtr resolve(const std::string& revision) const;
  const std::map<std::string, CommitPtr>& heads() const { return heads_; }  // revision names as in RepoSpec
  const std::map<std::string, CommitPtr>& tags() const { return tags_; }

  // The LFS file of that hash, in whatever commit has it under that path. Null if there is none.
  const FileEntry* find_stored(const std::string& sha256, const std::string& path) const;

  std::shared_ptr<const Repo> with_commit(const std::string& branch, const Files& files) const;
  std::shared_ptr<const Repo> with_access(bool is_private, bool gated, bool disabled) const;

 private:
  CommitPtr make_commit(const CommitPtr& parent, const Files& files) const;
  void remember(const CommitPtr& commit);

  RepoSpec spec_;
  std::map<std::string, CommitPtr> heads_;
  std::map<std::string, CommitPtr> tags_;
  std::map<std::string, CommitPtr> commits_;
};
using RepoPtr = std::shared_ptr<const Repo>;

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_REPO_H_
