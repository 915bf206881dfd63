// SPDX-License-Identifier: Apache-2.0
#include "core/cache/blob_usage.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/base/file_io.h"
#include "core/cache/blob_uses.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;

using Identity = std::pair<dev_t, ino_t>;

std::optional<Identity> reached_from(int dir_fd, const std::string& name) {
  struct stat st{};
  if (::fstatat(dir_fd, name.c_str(), &st, AT_NO_AUTOMOUNT) != 0) return std::nullopt;
  return Identity{st.st_dev, st.st_ino};
}

std::set<Identity> removed_snapshots(const CacheRoot& root, const RemovalPlan& plan) {
  std::set<Identity> removed;
  for (const CommitHash& commit : plan.snapshots) {
    if (const auto st = lstat_at(root.fd(), layout::snapshot(plan.key, commit)))
      removed.emplace(st->st_dev, st->st_ino);
  }
  return removed;
}

class UsageWalk {
 public:
  UsageWalk(const CacheRoot& root, const RemovalPlan& plan) : targets_(root, plan.key) {
    for (const RemovalPlan::Entry& entry : plan.entries) {
      removed_entries_.insert(layout::snapshot_entry(plan.key, entry.commit, entry.path));
    }
  }

  void unread(const std::string& path, int err) {
    if (may_pass(err) && !usage_.failure) usage_.failure = fail_errno(path, err).error();
    if (usage_.unread.empty()) usage_.unread = path;
  }

  void folder(int fd, const std::string& path, int depth) {
    if (depth > kMaxDepth) return unread(path, ENAMETOOLONG);
    const auto names = read_dir(fd);
    if (!names) return unread(path, names.error().sys_errno);
    for (const NameInDir& name : *names) {
      const std::string sub_path = path + "/" + name.name;
      if (name.kind == NameKind::kFolder) {
        const auto sub = open_dir(fd, name.name);
        if (sub) {
          folder(sub->get(), sub_path, depth + 1);
        } else if (sub.error().sys_errno != ENOENT) {
          unread(sub_path, sub.error().sys_errno);
        }
      } else if (!removed_entries_.contains(sub_path)) {
        entry(fd, name, sub_path);
      }
    }
  }

  void entry(int fd, const NameInDir& name, const std::string& path) {
    if (name.kind == NameKind::kFile) return file(fd, name.name);
    if (name.kind != NameKind::kLink) return;
    const auto target = read_link_at(fd, name.name);
    if (!target) {
      if (target.error().sys_errno != ENOENT) unread(path, target.error().sys_errno);
      return;
    }
    if (target->empty()) return;
    auto etag = targets_.blob(path, *target);
    if (!etag) {
      if (const auto hash = targets_.payload(path, *target)) etag = targets_.blob_of_payload(*hash);
    }
    if (etag) {
      usage_.etags.emplace(etag->text(), path);
    } else if (const auto reached = reached_from(fd, name.name)) {
      usage_.inodes.insert(*reached);
    }
  }

  BlobUsage usage_;

 private:
  // A hard link of a blob: removing the blob's name would free nothing.
  void file(int fd, const std::string& name) {
    const auto st = lstat_at(fd, name);
    if (st && st->st_nlink > 1) usage_.inodes.emplace(st->st_dev, st->st_ino);
  }

  LinkTargets targets_;
  std::set<std::string> removed_entries_;
};

// snapshots/<x> as a link: other clients follow it, so what it reaches counts.
void linked_snapshot(const CacheRoot& root, UsageWalk& walk, int snapshots_fd, const NameInDir& name,
                     const std::string& path) {
  const auto fd = open_beneath(root.fd(), path, O_RDONLY | O_DIRECTORY);
  if (fd) return walk.folder(fd->get(), path, 0);
  const int err = fd.error().sys_errno;
  if (err == ENOENT) return;
  if (err == ENOTDIR) return walk.entry(snapshots_fd, name, path);
  walk.unread(path, err);
}

}  // namespace

std::optional<std::string> BlobUsage::need_of(const CacheRoot& root, const RepoKey& key, const BlobId& etag) const {
  if (!unread.empty()) return unread + " cannot be read and may need it";
  if (const auto use = etags.find(etag.text()); use != etags.end()) return "needed by " + use->second;
  if (inodes.empty()) return std::nullopt;
  const auto folder = open_dir(root.fd(), layout::blobs_dir(key));
  if (!folder && folder.error().sys_errno != ENOENT) return "it cannot be looked at";
  const auto reached = folder ? reached_from(folder->get(), etag.text()) : std::nullopt;
  if (!reached || !inodes.contains(*reached)) return std::nullopt;
  return "needed by a link or a hard link of another spelling";
}

BlobUsage blobs_in_use(const CacheRoot& root, const RemovalPlan& plan) {
  UsageWalk walk(root, plan);
  const std::string folder = layout::snapshots_dir(plan.key);
  const auto fd = open_dir(root.fd(), folder);
  if (!fd) {
    if (fd.error().sys_errno != ENOENT) walk.unread(folder, fd.error().sys_errno);
    return walk.usage_;
  }
  const auto names = read_dir(fd->get());
  if (!names) {
    walk.unread(folder, names.error().sys_errno);
    return walk.usage_;
  }
  const std::set<Identity> removed = removed_snapshots(root, plan);
  for (const NameInDir& name : *names) {
    const std::string path = folder + "/" + name.name;
    const auto reached = reached_from(fd->get(), name.name);
    if (reached && removed.contains(*reached)) continue;
    if (name.kind == NameKind::kFolder) {
      const auto sub = open_dir(fd->get(), name.name);
      if (sub) {
        walk.folder(sub->get(), path, 0);
      } else if (sub.error().sys_errno != ENOENT) {
        walk.unread(path, sub.error().sys_errno);
      }
    } else if (name.kind == NameKind::kLink) {
      linked_snapshot(root, walk, fd->get(), name, path);
    }
  }
  return walk.usage_;
}

NeededBlobs::NeededBlobs(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses) : root_(root), plan_(plan) {
  if (uses != nullptr && plan.snapshots.empty() && uses->look()) {
    uses_ = uses;
  } else {
    walked_ = blobs_in_use(root, plan);
  }
}

Status NeededBlobs::status() const {
  if (uses_ != nullptr || !walked_.failure) return {};
  return std::unexpected(*walked_.failure);
}

std::optional<std::string> NeededBlobs::need_of(const BlobId& etag) const {
  if (uses_ == nullptr) return walked_.need_of(root_, plan_.key, etag);
  return uses_->needs(etag, plan_) ? std::optional<std::string>("needed by another file of the repo") : std::nullopt;
}

std::vector<std::string> snapshot_aliases(const CacheRoot& root, const RemovalPlan& plan) {
  std::vector<std::string> aliases;
  const auto fd = open_dir(root.fd(), layout::snapshots_dir(plan.key));
  const auto names = fd ? read_dir(fd->get()) : std::unexpected(fd.error());
  const std::set<Identity> removed = removed_snapshots(root, plan);
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind != NameKind::kLink) continue;
    const auto reached = reached_from(fd->get(), name.name);
    if (reached && removed.contains(*reached)) aliases.push_back(name.name);
  }
  return aliases;
}

}  // namespace hubfs
