// SPDX-License-Identifier: Apache-2.0
//
// Carrying a collection out: each item is looked at again, under its lock, before it goes.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "core/base/file_io.h"
#include "core/cache/blob_lock.h"
#include "core/cache/blob_usage.h"
#include "core/cache/dir_walk.h"
#include "core/cache/garbage.h"
#include "core/cache/garbage_rules.h"
#include "core/cache/kept.h"
#include "core/cache/layout.h"
#include "core/cache/partial_file.h"
#include "core/cache/ref_files.h"
#include "core/cache/shared_store.h"
#include "core/cache/trash.h"

namespace hubfs {

namespace {

constexpr std::size_t kLocksAtOnce = 64;  // descriptors held together

class Collection {
 public:
  Collection(const CacheRoot& root, const GarbageOptions& options) : root_(root), options_(options) {}

  GarbageResult run(const GarbagePlan& plan) {
    std::map<RepoKey, std::vector<const GarbageItem*>> blobs;
    std::vector<const GarbageItem*> after;  // what the removal of blobs may need, or may free
    for (const GarbageItem& item : plan.items) {
      if (is_of_blobs(item.kind)) {
        blobs[*item.repo].push_back(&item);
      } else if (item.kind == GarbageKind::kPayload || item.kind == GarbageKind::kTrash) {
        after.push_back(&item);
      } else {
        collect(item);
      }
    }
    for (const auto& [key, items] : blobs) blobs_of(key, items);
    for (const XetHash& hash : payloads_) sweep(hash);
    for (const GarbageItem* item : after) collect(*item);
    return std::move(result_);
  }

 private:
  static bool is_of_blobs(GarbageKind kind) {
    return kind == GarbageKind::kOrphanBlob || kind == GarbageKind::kIncomplete || kind == GarbageKind::kTransient ||
           kind == GarbageKind::kDanglingBlob;
  }

  void done(const GarbageItem& item, const Status& status, std::uint64_t bytes) {
    if (!status && status.error().sys_errno != ENOENT) {
      result_.failures.push_back(item.path + ": " + status.error().message);
      return;
    }
    result_.removed.push_back(item);
    result_.removed.back().bytes = bytes;
    result_.bytes += bytes;
  }
  void leave(const GarbageItem& item, std::string why) { result_.left.push_back({item.path, std::move(why)}); }

  // Pins may have been set since the plan.
  bool is_pinned(const GarbageItem& item) {
    if (!item.repo || item.in_state || !options_.is_pinned(*item.repo)) return false;
    leave(item, "pinned by now");
    return true;
  }

  // The name as it is now, if it is still old.
  std::optional<struct stat> still_old(const GarbageItem& item) {
    const auto st = lstat_at(item.in_state ? root_.state_fd() : root_.fd(), item.path);
    if (!st) return std::nullopt;
    if (is_old(*st, options_)) return st;
    leave(item, "changed since it was looked at");
    return std::nullopt;
  }

  void collect(const GarbageItem& item) {
    if (is_pinned(item)) return;
    switch (item.kind) {
      case GarbageKind::kDanglingEntry:
        return entry(item);
      case GarbageKind::kDeadRef:
        return dead_ref(item);
      case GarbageKind::kTemporary:
        if (const auto st = still_old(item)) {
          done(item, unlink_plain(item.in_state ? root_.state_fd() : root_.fd(), item.path), bytes_of_name(*st));
        }
        return;
      case GarbageKind::kProbeFolder:
        return probe_folder(item);
      // rmdir takes an empty one only. Its age is the plan's: what was removed from it made it young.
      case GarbageKind::kEmptyFolder: {
        const Status removed = unlink_plain(root_.fd(), item.path, AT_REMOVEDIR);
        if (!removed && removed.error().sys_errno == ENOTEMPTY) return leave(item, "not empty any more");
        return done(item, removed, 0);
      }
      case GarbageKind::kPayload:
        return payload(item);
      case GarbageKind::kTrash:
        return done(item, delete_from_trash(root_, base_of(item.path)), item.bytes);
      case GarbageKind::kKept:
        return kept(item);
      case GarbageKind::kPartial:
        return partial(item);
      case GarbageKind::kOrphanBlob:
      case GarbageKind::kIncomplete:
      case GarbageKind::kTransient:
      case GarbageKind::kDanglingBlob:
        return;
    }
  }

  void entry(const GarbageItem& item) {
    if (!still_old(item)) return;
    LinkTargets targets(root_, *item.repo);
    std::optional<BlobId> etag;
    if (!entry_dangles(root_, *item.repo, item.path, targets, etag)) return leave(item, "its blob is there again");
    const Locked lock = etag ? this->lock(*item.repo, *etag) : Locked{true, std::nullopt};
    if (!lock.mine) return leave(item, "another program is using it");
    if (!entry_dangles(root_, *item.repo, item.path, targets, etag)) return leave(item, "its blob is there again");
    done(item, unlink_plain(root_.fd(), item.path), 0);
  }

  void dead_ref(const GarbageItem& item) {
    const auto st = still_old(item);
    if (!st) return;
    const auto content = read_small_file(root_.fd(), item.path, 4096);
    const auto commit = content ? parse_ref_content(*content) : std::nullopt;
    if (!commit || lstat_at(root_.fd(), layout::snapshot(*item.repo, *commit))) {
      return leave(item, "its snapshot is there by now");
    }
    done(item, unlink_plain(root_.fd(), item.path), bytes_of_name(*st));
  }

  void probe_folder(const GarbageItem& item) {
    const auto parent = open_dir(root_.fd(), parent_of(item.path));
    if (!still_old(item)) return;
    if (!parent || !is_probe_folder(parent->get(), base_of(item.path))) return leave(item, "holds something by now");
    done(item, remove_tree(parent->get(), base_of(item.path)), 0);
  }

  void payload(const GarbageItem& item) {
    const auto hash = layout::parse_payload_path(item.path);
    if (!hash || !still_old(item)) return;
    const auto swept = sweep_payload(root_, *hash);
    if (!swept) return done(item, std::unexpected(swept.error()), 0);
    if (stat_payload(root_, *hash)) return leave(item, "it is referred to again");
    done(item, {}, *swept);
  }

  void kept(const GarbageItem& item) {
    const auto gone = expire_kept(root_, base_of(item.path), options_.now_s);
    if (!gone) return done(item, std::unexpected(gone.error()), 0);
    if (!*gone) return leave(item, "in use by now");
    done(item, {}, item.bytes);
  }

  void partial(const GarbageItem& item) {
    // All of them at the first: what no process works on and no mount can go on with, nothing else.
    static_cast<void>(clean_partials(root_, {.now_s = options_.now_s, .longest_unused_s = 0, .total_bytes = 0}));
    if (lstat_at(root_.state_fd(), item.path)) return leave(item, "a process works on it");
    done(item, {}, item.bytes);
  }

  struct Locked {
    bool mine = false;
    std::optional<BlobLock> lock;  // empty where the file system has no locks: then nobody excludes anybody
  };
  Locked lock(const RepoKey& key, const BlobId& etag) {
    auto taken = BlobLock::try_acquire(root_, key, etag);
    if (taken && *taken) return {true, std::move(*taken)};
    return {!taken && taken.error().kind == ErrorKind::kUnsupported, std::nullopt};
  }

  void blobs_of(const RepoKey& key, const std::vector<const GarbageItem*>& items) {
    for (std::size_t at = 0; at < items.size(); at += kLocksAtOnce) {
      const auto end = items.begin() + static_cast<std::ptrdiff_t>(std::min(items.size(), at + kLocksAtOnce));
      blob_batch(key, {items.begin() + static_cast<std::ptrdiff_t>(at), end});
    }
  }

  // What is needed is counted once all locks of the batch are held: no client gives a blob its entry without.
  void blob_batch(const RepoKey& key, const std::vector<const GarbageItem*>& items) {
    std::map<std::string, Locked> locks;  // by etag: a blob and its abandoned downloads have the same
    for (const GarbageItem* item : items) {
      const auto etag = etag_guarding(base_of(item->path));
      if (etag && !locks.contains(etag->text())) locks.emplace(etag->text(), lock(key, *etag));
    }
    const BlobUsage usage = blobs_in_use(root_, RemovalPlan(key));
    if (usage.failure) {
      result_.failures.push_back(layout::blobs_dir(key) + ": " + usage.failure->message);
      return;
    }
    LinkTargets targets(root_, key);
    for (const GarbageItem* item : items) {
      if (is_pinned(*item)) continue;
      const auto etag = etag_guarding(base_of(item->path));
      if (etag && !locks.at(etag->text()).mine) {
        leave(*item, "another program is using it");
        continue;
      }
      blob(key, *item, etag, usage, targets);
    }
  }

  void blob(const RepoKey& key, const GarbageItem& item, const std::optional<BlobId>& etag, const BlobUsage& usage,
            LinkTargets& targets) {
    const auto st = still_old(item);
    if (!st) return;
    if (item.kind == GarbageKind::kOrphanBlob && usage.need_of(root_, key, *etag)) {
      return leave(item, "a snapshot needs it by now");
    }
    if (item.kind == GarbageKind::kDanglingBlob && !blob_is_missing(root_, key, *etag, targets)) {
      return leave(item, "its payload is there again");
    }
    const auto target = S_ISLNK(st->st_mode) ? read_link_plain(root_.fd(), item.path) : std::string();
    const Status removed = unlink_plain(root_.fd(), item.path);
    if (removed && target && !target->empty()) {
      if (auto hash = targets.payload(item.path, *target)) payloads_.insert(*std::move(hash));
    }
    done(item, removed, bytes_of_name(*st));
  }

  // Of a link that went; a payload that others use stays.
  void sweep(const XetHash& hash) {
    const auto swept = sweep_payload(root_, hash);
    if (swept) {
      result_.bytes += *swept;
    } else {
      result_.failures.push_back(layout::payload(hash) + ": " + swept.error().message);
    }
  }

  const CacheRoot& root_;
  const GarbageOptions& options_;
  GarbageResult result_;
  std::set<XetHash> payloads_;
};

}  // namespace

GarbageResult apply_garbage(const CacheRoot& root, const GarbagePlan& plan, const GarbageOptions& options) {
  return Collection(root, options).run(plan);
}

}  // namespace hubfs
