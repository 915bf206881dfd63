// SPDX-License-Identifier: Apache-2.0
//
// What could be collected in the folders of the repos. Reads only. The root's own folders: garbage_root.cc.
#include <cerrno>
#include <ctime>
#include <utility>

#include "core/base/file_io.h"
#include "core/cache/blob_lock.h"
#include "core/cache/blob_usage.h"
#include "core/cache/dir_walk.h"
#include "core/cache/garbage_parts.h"
#include "core/cache/garbage_rules.h"
#include "core/cache/layout.h"
#include "core/cache/ref_files.h"
#include "core/cache/repo_scan.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;
constexpr const char* kYoung = "too young: a client may be about to use it";
constexpr const char* kLocked = "another program holds the lock of this blob";

// One repo. Items are added to `plan` in the order in which they go.
class RepoGarbage {
 public:
  RepoGarbage(const CacheRoot& root, const RepoKey& key, const GarbageOptions& options, GarbagePlan& plan)
      : root_(root), key_(key), options_(options), plan_(plan), targets_(root, key) {}

  void look() {
    refs();
    snapshots();
    leftovers(layout::trees_dir(key_));
    blobs();
    probe_folders();
  }

 private:
  // A candidate that is old and whose lock is free is an item; else it is said why it stays.
  void consider(GarbageKind kind, const std::string& path, const struct stat& st, const std::optional<BlobId>& etag,
                std::uint64_t bytes, std::string why) {
    if (!is_old(st, options_)) return leave(path, kYoung);
    if (etag && BlobLock::is_held(root_, key_, *etag)) return leave(path, kLocked);
    plan_.items.push_back({kind, key_, false, path, bytes, std::move(why)});
  }
  void leave(const std::string& path, std::string why) { plan_.left.push_back({path, std::move(why)}); }

  void refs() {
    for (const RefFile& file : read_ref_files(root_, key_, nullptr)) {
      const std::string path = layout::refs_dir(key_) + "/" + file.name;
      const auto st = lstat_at(root_.fd(), path);
      if (!st) continue;
      if (layout::is_temporary_ref_name(file.name)) {
        consider(GarbageKind::kTemporary, path, *st, std::nullopt, bytes_of_name(*st), "an unfinished write of a ref");
      } else if (file.commit && !lstat_at(root_.fd(), layout::snapshot(key_, *file.commit)) && errno == ENOENT) {
        // Normal after a download into another folder, and the ref is right: so only who asks for it loses it.
        if (options_.refs) {
          consider(GarbageKind::kDeadRef, path, *st, std::nullopt, bytes_of_name(*st),
                   "its snapshot is not here, for which `hf cache` hides the repo");
        } else {
          leave(path, "a ref without its snapshot; collected with --refs only");
        }
      }
    }
    empty_folders_in(layout::refs_dir(key_));
  }

  void snapshots() {
    const std::string folder = layout::snapshots_dir(key_);
    const auto names = read_dir_at(root_.fd(), folder);
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      if (name.kind != NameKind::kFolder || !CommitHash::parse(name.name)) continue;
      dangling_entries(folder + "/" + name.name, 0);
      empty_folders_in(folder + "/" + name.name);
    }
  }

  void dangling_entries(const std::string& folder, int depth) {
    const auto names = read_dir_at(root_.fd(), folder);
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      const std::string path = folder + "/" + name.name;
      if (name.kind == NameKind::kFolder && depth < kMaxDepth) dangling_entries(path, depth + 1);
      if (name.kind != NameKind::kLink) continue;
      std::optional<BlobId> etag;
      const auto st = lstat_at(root_.fd(), path);
      if (!st || !entry_dangles(root_, key_, path, targets_, etag)) continue;
      consider(GarbageKind::kDanglingEntry, path, *st, etag, 0, "its blob is gone");
    }
  }

  // Inner ones first. Whether `folder` holds nothing but such folders.
  bool empty_folders_in(const std::string& folder, int depth = 0) {
    const auto names = read_dir_at(root_.fd(), folder);
    if (!names) return false;
    bool empty = true;
    for (const NameInDir& name : *names) {
      const std::string path = folder + "/" + name.name;
      const bool removable = name.kind == NameKind::kFolder && depth < kMaxDepth && empty_folders_in(path, depth + 1);
      const auto st = removable ? lstat_at(root_.fd(), path) : std::nullopt;
      if (st && is_old(*st, options_)) {
        plan_.items.push_back({GarbageKind::kEmptyFolder, key_, false, path, 0, "nothing is in it"});
      } else {
        empty = false;
      }
    }
    return empty;
  }

  void leftovers(const std::string& folder) {
    const auto names = read_dir_at(root_.fd(), folder);
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      const auto st = lstat_at(root_.fd(), folder + "/" + name.name);
      if (name.kind != NameKind::kFile || !is_leftover_name(name.name) || !st) continue;
      consider(GarbageKind::kTemporary, folder + "/" + name.name, *st, std::nullopt, bytes_of_name(*st),
               "an unfinished write");
    }
  }

  void blobs() {
    const std::string folder = layout::blobs_dir(key_);
    const auto names = read_dir_at(root_.fd(), folder);
    if (!names || names->empty()) return;
    // As with entries without blobs: what is half unmounted says nothing about the other half.
    if (!lstat_at(root_.fd(), layout::snapshots_dir(key_))) return leave(folder, "there is no folder of snapshots");
    const BlobUsage usage = blobs_in_use(root_, RemovalPlan(key_));
    if (usage.failure) return leave(folder, "cannot tell what is needed: " + usage.failure->message);
    if (!usage.unread.empty()) leave(folder, usage.unread + " cannot be read, so any blob may be needed");
    for (const NameInDir& name : *names) {
      const std::string path = folder + "/" + name.name;
      const auto st = lstat_at(root_.fd(), path);
      if (!st) continue;
      blob(name, path, *st, usage);
    }
  }

  void blob(const NameInDir& name, const std::string& path, const struct stat& st, const BlobUsage& usage) {
    const auto etag = etag_guarding(name.name);
    switch (layout::classify_blob_name(name.name)) {
      case layout::BlobDirEntry::kBlob:
        if (name.kind != NameKind::kFile && name.kind != NameKind::kLink) return leave(path, "not a file");
        if (blob_is_missing(root_, key_, *etag, targets_)) {
          consider(GarbageKind::kDanglingBlob, path, st, etag, 0, "the shared payload that it names is gone");
        } else if (!usage.need_of(root_, key_, *etag)) {
          consider(GarbageKind::kOrphanBlob, path, st, etag, bytes_of_name(st), "no snapshot names it");
        }
        return;
      case layout::BlobDirEntry::kIncomplete:
        if (!etag || name.kind != NameKind::kFile) return leave(path, "not a name that a client writes");
        return consider(GarbageKind::kIncomplete, path, st, etag, bytes_of_name(st), "an abandoned download");
      case layout::BlobDirEntry::kTransient:
        if (name.kind == NameKind::kFolder) return leave(path, "not a file");
        return consider(GarbageKind::kTransient, path, st, etag, bytes_of_name(st), "a client left it when it ended");
      case layout::BlobDirEntry::kUnknown:
        return leave(path, "not a name that a client writes");
    }
  }

  void probe_folders() {
    const std::string folder = layout::repo_folder(key_);
    const auto fd = open_dir(root_.fd(), folder);
    const auto names = fd ? read_dir(fd->get()) : std::unexpected(fd.error());
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      const auto st = lstat_at(fd->get(), name.name);
      if (name.kind != NameKind::kFolder || !st || !is_probe_folder(fd->get(), name.name)) continue;
      consider(GarbageKind::kProbeFolder, folder + "/" + name.name, *st, std::nullopt, 0, "a client's test for links");
    }
  }

  const CacheRoot& root_;
  const RepoKey& key_;
  const GarbageOptions& options_;
  GarbagePlan& plan_;
  LinkTargets targets_;
};

}  // namespace

std::uint64_t GarbagePlan::bytes() const {
  std::uint64_t sum = 0;
  for (const GarbageItem& item : items) sum += item.bytes;
  return sum;
}

Result<GarbagePlan> plan_garbage(const CacheRoot& root, const GarbageOptions& options) {
  if (!root.has_state()) {
    return fail(ErrorKind::kAccessDenied, root.path() + ": this cache cannot be written, so nothing can be collected");
  }
  const auto repos = list_repos(root, nullptr);
  if (!repos) return std::unexpected(repos.error());
  GarbagePlan plan;
  for (const RepoKey& key : *repos) {
    if (options.is_pinned(key)) {
      plan.left.push_back({layout::repo_folder(key), "pinned"});
      continue;
    }
    RepoGarbage(root, key, options, plan).look();
  }
  plan_root_garbage(root, options, plan);
  return plan;
}

}  // namespace hubfs
