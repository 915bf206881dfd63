// SPDX-License-Identifier: Apache-2.0
#include "core/cache/repo_scan.h"

#include <algorithm>
#include <cerrno>

#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/ref_files.h"

namespace hubfs {

namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

std::int64_t mtime_of(const struct stat& st) { return st.st_mtim.tv_sec * kNanosPerSecond + st.st_mtim.tv_nsec; }

// Names in the root that are no repo and no cause for a remark: as in huggingface_hub's scan.
bool is_known_stranger(const std::string& name) {
  return name == layout::kLocks || name == layout::kCacheDirTag || name == layout::kSharedStore ||
         name == ".DS_Store" || name == "Thumbs.db" || name == "desktop.ini";
}

Status scan_refs(const CacheRoot& root, const RepoKey& key, RepoOnDisk& repo) {
  std::optional<Error> failure;
  const std::vector<RefFile> files = read_ref_files(root, key, &repo.problems, &failure);
  if (failure) return std::unexpected(*failure);
  for (const RefFile& file : files) {
    if (layout::is_temporary_ref_name(file.name)) continue;
    const std::string path = layout::refs_dir(key) + "/" + file.name;
    const auto name = RefName::parse(file.name);
    if (!file.commit) {
      repo.problems.push_back(path + ": " + file.problem + "; ignored");
    } else if (!name) {
      repo.problems.push_back(path + ": not the name of a branch or tag; ignored");
    } else {
      repo.refs.emplace(*name, *file.commit);
    }
  }
  return {};
}

Status scan_commits(const CacheRoot& root, const RepoKey& key, RepoOnDisk& repo) {
  const std::string folder = layout::snapshots_dir(key);
  const auto names = read_dir_at(root.fd(), folder);
  if (!names) {
    if (may_pass(names.error().sys_errno)) return std::unexpected(names.error());
    repo.problems.push_back(names.error().message);
    return {};
  }
  for (const NameInDir& entry : *names) {
    const std::string path = folder + "/" + entry.name;
    const auto commit = CommitHash::parse(entry.name);
    if (entry.kind != NameKind::kFolder) {
      repo.problems.push_back(path + ": not a folder; ignored");
    } else if (!commit) {
      repo.problems.push_back(path + ": not named by a commit of 40 lower-case hex digits; ignored");
    } else if (const auto st = lstat_at(root.fd(), path); st && S_ISDIR(st->st_mode)) {
      repo.commits.push_back({*commit, mtime_of(*st)});
    } else if (!st && may_pass(errno)) {
      return fail_errno(path);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<RepoKey>> list_repos(const CacheRoot& root, std::vector<std::string>* problems) {
  const auto names = read_dir(root.fd());
  if (!names) return fail_errno("cannot read the cache root " + root.path(), names.error().sys_errno);
  std::vector<RepoKey> keys;
  for (const NameInDir& entry : *names) {
    auto key = layout::parse_repo_folder(entry.name);
    if (key && entry.kind == NameKind::kFolder) {
      keys.push_back(*std::move(key));
    } else if (problems != nullptr && !is_known_stranger(entry.name)) {
      problems->push_back(entry.name + (key ? ": not a folder; ignored" : ": not the folder of a repo; ignored"));
    }
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

Result<RepoOnDisk> scan_repo(const CacheRoot& root, const RepoKey& key) {
  const std::string folder = layout::repo_folder(key);
  const auto st = lstat_at(root.fd(), folder);
  if (!st) return fail_errno(folder);
  if (!S_ISDIR(st->st_mode)) return fail(ErrorKind::kNotFound, folder + ": not a folder");
  RepoOnDisk repo;
  repo.folder = *st;
  if (auto scanned = scan_refs(root, key, repo); !scanned) return std::unexpected(scanned.error());
  if (auto scanned = scan_commits(root, key, repo); !scanned) return std::unexpected(scanned.error());
  return repo;
}

}  // namespace hubfs
