// SPDX-License-Identifier: Apache-2.0
#include "core/cache/blob_uses.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;
constexpr std::uint64_t kSnapshotsTag = 0;

bool has_events(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace

bool BlobUses::look() {
  if (hopeless_) return false;
  if (watch_ && take_events()) return true;
  watch_.reset();
  hopeless_ = !count_all();
  return !hopeless_;
}

bool BlobUses::needs(const BlobId& etag, const RemovalPlan& plan) const {
  const auto count = counts_.find(etag.text());
  if (count == counts_.end()) return false;
  const auto going = std::count_if(plan.entries.begin(), plan.entries.end(), [&](const RemovalPlan::Entry& entry) {
    const auto name = names_.find(layout::snapshot_entry(key_, entry.commit, entry.path));
    return name != names_.end() && name->second == etag.text();
  });
  return count->second > static_cast<std::size_t>(going);
}

void BlobUses::drop_name(const std::string& path) {
  const auto name = names_.find(path);
  if (name == names_.end()) return;
  const auto count = counts_.find(name->second);
  if (--count->second == 0) counts_.erase(count);
  names_.erase(name);
}

// False when something happened that the counts do not tell.
bool BlobUses::take_events() {
  // The folder at the path may be another one by now, which nobody watches.
  const auto st = lstat_at(root_.fd(), layout::snapshots_dir(key_));
  if (!st || Identity{st->st_dev, st->st_ino} != snapshots_) return false;
  bool known = true;
  do {
    watch_->drain([&](const WatchEvent& event) {
      if (event.overflow) {
        known = false;
      } else if ((event.mask & IN_DELETE) != 0) {
        // Of a folder the names went before, and their events came before.
        if ((event.mask & IN_ISDIR) == 0) drop_name(folders_[event.tag] + "/" + std::string(event.name));
      } else if ((event.mask & IN_DELETE_SELF) != 0) {
        if (event.tag == kSnapshotsTag) known = false;
      } else if ((event.mask & IN_CLOSE_WRITE) == 0) {
        known = false;
      }
    });
  } while (known && has_events(watch_->fd()));
  return known;
}

bool BlobUses::watch_folder(const std::string& path) {
  if (!watch_->add_dir(root_.fd(), path, folders_.size())) return false;
  folders_.push_back(path);
  return true;
}

bool BlobUses::count_all() {
  ++walks_;
  names_.clear();
  counts_.clear();
  folders_.clear();
  auto watch = CacheWatch::create(CacheWatch::Names::kAll);
  if (!watch) return false;
  watch_ = std::move(*watch);
  const std::string path = layout::snapshots_dir(key_);
  const auto fd = open_dir(root_.fd(), path);
  struct stat st{};
  if (!fd || ::fstat(fd->get(), &st) != 0) return false;
  snapshots_ = {st.st_dev, st.st_ino};
  // Watched first, read afterwards: what comes in between makes an event.
  if (!watch_folder(path)) return false;
  const auto names = read_dir(fd->get());
  if (!names) return false;
  for (const NameInDir& name : *names) {
    // A link here is a snapshot by another name, to wherever it leads.
    if (name.kind == NameKind::kLink) return false;
    if (name.kind == NameKind::kFolder && !count_folder(fd->get(), path + "/" + name.name, 0)) return false;
  }
  return true;
}

bool BlobUses::count_folder(int parent_fd, const std::string& path, int depth) {
  const auto fd = open_dir(parent_fd, base_of(path));
  if (!fd) return fd.error().sys_errno == ENOENT;
  if (depth > kMaxDepth || !watch_folder(path)) return false;
  const auto names = read_dir(fd->get());
  if (!names) return false;
  return std::all_of(names->begin(), names->end(), [&](const NameInDir& name) {
    const std::string sub_path = path + "/" + name.name;
    if (name.kind == NameKind::kFolder) return count_folder(fd->get(), sub_path, depth + 1);
    if (name.kind == NameKind::kLink) return count_entry(fd->get(), sub_path, name.name);
    if (name.kind != NameKind::kFile) return true;
    // With other names it may be a hard link of a blob.
    const auto st = lstat_at(fd->get(), name.name);
    return !st || st->st_nlink == 1;
  });
}

bool BlobUses::count_entry(int fd, const std::string& path, std::string_view name) {
  const auto target = read_link_at(fd, std::string(name));
  if (!target) return target.error().sys_errno == ENOENT;
  // By its text alone: what the text means must not change without an event.
  const auto resolved = layout::resolve_link(path, *target, root_.path());
  const auto blob = resolved ? layout::parse_blob_path(*resolved) : std::nullopt;
  if (!blob || blob->repo_folder != layout::repo_folder(key_)) return false;
  names_.emplace(path, blob->etag.text());
  ++counts_[blob->etag.text()];
  return true;
}

}  // namespace hubfs
