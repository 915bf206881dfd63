// SPDX-License-Identifier: Apache-2.0
//
// The entries of a snapshot folder.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/repo_scan.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;

class SnapshotWalk {
 public:
  SnapshotWalk(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, std::vector<std::string>* problems)
      : targets_(root, key), base_(layout::snapshot(key, commit)), problems_(problems) {}

  Status folder(int fd, const std::string& prefix, int depth) {
    const auto names = read_dir(fd);
    if (!names) return std::unexpected(names.error());
    for (const NameInDir& name : *names) {
      const std::string path = prefix + name.name;
      if (name.kind == NameKind::kFolder) {
        subfolder(fd, name.name, path, depth);
      } else {
        entry(fd, name.name, path);
      }
    }
    return {};
  }

  std::vector<SnapshotEntry> take() {
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::move(entries_);
  }

  /// The first failure that may pass (too many open files, an I/O error): without it there would be more entries.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

 private:
  void note(const std::string& path, const std::string& words) {
    if (problems_ != nullptr) problems_->push_back(base_ + "/" + path + ": " + words);
  }

  void subfolder(int fd, const std::string& name, const std::string& path, int depth) {
    if (depth >= kMaxDepth) return note(path, "folders nested too deep; ignored");
    auto sub = open_dir(fd, name);
    // Gone between the listing and here is no fault.
    if (!sub && sub.error().sys_errno == ENOENT) return;
    Status status = sub ? folder(sub->get(), path + "/", depth + 1) : Status(std::unexpected(sub.error()));
    if (status) return;
    note(path, "cannot be read (" + status.error().message + ")");
    note_failure(status.error());
  }

  void entry(int fd, const std::string& name, const std::string& path) {
    auto parsed = RelPath::parse(path);
    if (!parsed) return note(path, "not a path that a repo can have; ignored");
    const auto st = lstat_at(fd, name);
    if (!st) {
      if (errno != ENOENT) note_failure(fail_errno(base_ + "/" + path).error());
      return;
    }
    SnapshotEntry found{*std::move(parsed), EntryForm::kUnusable, std::nullopt, *st};
    if (S_ISREG(st->st_mode)) {
      found.form = EntryForm::kRealFile;
    } else if (!S_ISLNK(st->st_mode)) {
      note(path, "neither a file nor a link; ignored");
    } else if (const auto target = read_link_at(fd, name); !target) {
      note_failure(target.error());
    } else if (!target->empty()) {
      found.etag = blob_named(path, *target);
      if (found.etag) found.form = EntryForm::kBlob;
    }
    entries_.push_back(std::move(found));
  }

  std::optional<BlobId> blob_named(const std::string& path, const std::string& target) {
    const std::string link_path = base_ + "/" + path;
    if (auto etag = targets_.blob(link_path, target)) return etag;
    if (const auto hash = targets_.payload(link_path, target)) {
      if (auto etag = targets_.blob_of_payload(*hash)) return etag;
      note(path, "a link into the shared store without a blob of this repo; ignored");
    } else {
      note(path, "a link that leads to no blob of this repo (" + target + "); ignored");
    }
    return std::nullopt;
  }

  void note_failure(const Error& error) {
    if (!failure_ && may_pass(error.sys_errno)) failure_ = error;
  }

  LinkTargets targets_;
  const std::string base_;
  std::vector<std::string>* problems_;
  std::optional<Error> failure_;
  std::vector<SnapshotEntry> entries_;
};

}  // namespace

Result<std::vector<SnapshotEntry>> scan_snapshot(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                                 std::vector<std::string>* problems) {
  auto fd = open_dir(root.fd(), layout::snapshot(key, commit));
  if (!fd && (fd.error().sys_errno == ENOTDIR || fd.error().sys_errno == ELOOP)) {
    return fail(ErrorKind::kNotFound, fd.error().message);
  }
  if (!fd) return std::unexpected(fd.error());
  SnapshotWalk walk(root, key, commit, problems);
  if (auto status = walk.folder(fd->get(), "", 0); !status) return std::unexpected(status.error());
  // Half of a snapshot is no snapshot: who removes by it, or shows it, must know.
  if (walk.failure()) return std::unexpected(*walk.failure());
  return walk.take();
}

bool has_snapshot_entry(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const RelPath& path) {
  const auto st = lstat_at(root.fd(), layout::snapshot_entry(key, commit, path));
  return st && !S_ISDIR(st->st_mode);
}

Result<UniqueFd> open_real_file(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                const RelPath& path) {
  const std::string file = layout::snapshot_entry(key, commit, path);
  auto fd = open_plain(root.fd(), file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return fd;
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0) return fail_errno(file);
  if (!S_ISREG(st.st_mode)) return fail(ErrorKind::kInvalid, file + ": not a regular file");
  return fd;
}

}  // namespace hubfs
