// SPDX-License-Identifier: Apache-2.0
//
// Carrying a removal out, in an order that leaves a valid cache after every step.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <set>
#include <span>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/blob_lock.h"
#include "core/cache/blob_usage.h"
#include "core/cache/dir_walk.h"
#include "core/cache/kept.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/private_state.h"
#include "core/cache/ref_files.h"
#include "core/cache/removal.h"
#include "core/cache/shared_store.h"
#include "core/cache/state_paths.h"
#include "core/cache/trash.h"

namespace hubfs {

namespace {

constexpr std::size_t kLocksAtOnce = 64;          // descriptors held together
constexpr std::time_t kTemporaryRefSeconds = 60;  // older ones are leftovers, not writes in progress

void keep_first(Status& status, Status next) {
  if (status && !next) status = std::move(next);
}

bool is_gone(const Status& status) { return status || status.error().sys_errno == ENOENT; }

// One name, for good or into a record.
Status take_name(const CacheRoot& root, const std::string& path, KeptRecord* keep) {
  return keep != nullptr ? keep->take(path) : unlink_plain(root.fd(), path);
}

// rmdir of a ref's folders that became empty, up to refs itself.
void remove_empty_ref_folders(const CacheRoot& root, const RepoKey& key, std::string name) {
  for (std::size_t slash = name.rfind('/'); slash != std::string::npos; slash = name.rfind('/')) {
    name.resize(slash);
    if (!unlink_plain(root.fd(), layout::refs_dir(key) + "/" + name, AT_REMOVEDIR)) return;
  }
}

// Read again, and by content: a ref that came after the plan, or under a name that is none for us, would point to a
// missing snapshot, for which other clients hide the whole repo.
Status remove_refs(const CacheRoot& root, const RemovalPlan& plan, KeptRecord* keep) {
  Status status;
  std::optional<Error> failure;
  const std::vector<RefFile> files = read_ref_files(root, plan.key, nullptr, &failure);
  if (failure && !plan.snapshots.empty()) return std::unexpected(*failure);
  for (const RefFile& file : files) {
    if (!file.commit || std::find(plan.snapshots.begin(), plan.snapshots.end(), *file.commit) == plan.snapshots.end()) {
      continue;
    }
    const std::string path = layout::refs_dir(plan.key) + "/" + file.name;
    if (layout::is_temporary_ref_name(file.name)) {
      const auto st = lstat_at(root.fd(), path);
      if (st && st->st_mtim.tv_sec + kTemporaryRefSeconds > std::time(nullptr)) continue;
    }
    Status removed = take_name(root, path, keep);
    if (!is_gone(removed)) keep_first(status, std::move(removed));
    remove_empty_ref_folders(root, plan.key, file.name);
  }
  return status;
}

// The snapshot folder is set aside whole, so that nobody sees half of it; the names in the trash are added to `trash`.
Status remove_snapshot(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                       std::vector<std::string>& trash, KeptRecord* keep) {
  const auto folder = open_dir(root.fd(), layout::snapshots_dir(key));
  if (!folder) return folder.error().sys_errno == ENOENT ? Status{} : Status(std::unexpected(folder.error()));
  if (!lstat_at(folder->get(), commit.text())) return {};
  if (keep != nullptr) return keep->take(layout::snapshot(key, commit));
  auto moved = move_to_trash(root, folder->get(), commit.text(), "snapshot");
  if (!moved) return remove_tree(folder->get(), commit.text());
  trash.push_back(*std::move(moved));
  return {};
}

void remove_notes_of(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, KeptRecord* keep) {
  static_cast<void>(take_name(root, layout::listing(key, commit), keep));
  const std::string markers = layout::no_exist_dir(key, commit);
  if (const auto parent = open_parent(root.fd(), markers))
    static_cast<void>(remove_tree(parent->get(), base_of(markers)));
}

// Removes the blobs of a batch under their locks, if nothing needs them now. Payloads they were links to are added.
Status remove_blob_batch(const CacheRoot& root, const RepoKey& key, std::span<const BlobId> batch,
                         std::set<XetHash>& payloads, BlobUses* uses, KeptRecord* keep) {
  std::vector<BlobLock> locks;
  std::vector<BlobId> mine;
  for (const BlobId& etag : batch) {
    auto lock = BlobLock::try_acquire(root, key, etag);
    // Without flock here, no client excludes another, and neither do we.
    const bool no_locks = !lock && lock.error().kind == ErrorKind::kUnsupported;
    if (!no_locks && (!lock || !*lock)) {
      log::info(layout::blob(key, etag) + ": kept, since another program is using it");
      continue;
    }
    if (!no_locks) locks.push_back(std::move(**lock));
    mine.push_back(etag);
  }
  const RemovalPlan nothing(key);
  const NeededBlobs needed(root, nothing, uses);
  if (auto known = needed.status(); !known) return known;
  LinkTargets targets(root, key);
  Status status;
  for (const BlobId& etag : mine) {
    const std::string path = layout::blob(key, etag);
    if (const auto why = needed.need_of(etag)) {
      log::info(path + ": kept: " + *why);
      continue;
    }
    const auto target = read_link_plain(root.fd(), path);
    // Without its target the payload behind a link could not be swept afterwards.
    if (!target && may_pass(target.error().sys_errno)) {
      keep_first(status, std::unexpected(target.error()));
      continue;
    }
    const auto hash = target && !target->empty() ? targets.payload(path, *target) : std::nullopt;
    Status removed = take_name(root, path, keep);
    if (!is_gone(removed)) {
      keep_first(status, std::move(removed));
    } else if (hash && keep == nullptr) {
      payloads.insert(*hash);
    }
  }
  return status;
}

Status remove_blobs(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses, KeptRecord* keep) {
  Status status;
  std::set<XetHash> payloads;
  std::span<const BlobId> rest(plan.blobs);
  while (!rest.empty()) {
    const std::size_t count = std::min(rest.size(), kLocksAtOnce);
    keep_first(status, remove_blob_batch(root, plan.key, rest.first(count), payloads, uses, keep));
    rest = rest.subspan(count);
  }
  for (const XetHash& hash : payloads) {
    const auto swept = sweep_payload(root, hash);
    if (!swept) keep_first(status, std::unexpected(swept.error()));
  }
  return status;
}

Status apply_parts(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses, KeptRecord* keep) {
  // Refs that cannot be removed keep their snapshots: the reverse would hide the repo from other clients.
  if (auto status = remove_refs(root, plan, keep); !status) return status;
  Status status;
  for (const std::string& alias : snapshot_aliases(root, plan)) {
    keep_first(status, take_name(root, layout::snapshots_dir(plan.key) + "/" + alias, keep));
  }
  std::vector<std::string> trash;
  for (const CommitHash& commit : plan.snapshots) {
    keep_first(status, remove_snapshot(root, plan.key, commit, trash, keep));
    remove_notes_of(root, plan.key, commit, keep);
  }
  for (const RemovalPlan::Entry& entry : plan.entries) {
    Status removed = take_name(root, layout::snapshot_entry(plan.key, entry.commit, entry.path), keep);
    if (!is_gone(removed)) keep_first(status, std::move(removed));
  }
  keep_first(status, remove_blobs(root, plan, uses, keep));
  for (const std::string& name : trash) keep_first(status, delete_from_trash(root, name));
  return status;
}

// For a repo that cannot be renamed. Refs go before what they point to.
Status delete_in_place(const CacheRoot& root, const RepoKey& key, std::vector<XetHash>& payloads) {
  const auto repo = open_dir(root.fd(), layout::repo_folder(key));
  if (!repo) return std::unexpected(repo.error());
  LinkTargets targets(root, key);
  const auto names = read_dir_at(root.fd(), layout::blobs_dir(key));
  for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) {
    const std::string path = layout::blobs_dir(key) + "/" + entry.name;
    const auto target =
        entry.kind == NameKind::kLink ? read_link_plain(root.fd(), path) : Result<std::string>(std::string());
    if (!target || target->empty()) continue;
    if (auto hash = targets.payload(path, *target)) payloads.push_back(*std::move(hash));
  }
  for (const std::string_view part : {layout::kRefs, layout::kSnapshots}) {
    if (auto removed = remove_tree(repo->get(), std::string(part)); !removed) return removed;
  }
  return remove_tree(root.fd(), layout::repo_folder(key));
}

// hubfs's own files about the repo go along; a fetch that begins anew after this finds its folder free.
void detach_private_state(const CacheRoot& root, const RepoKey& key, TrashTicket& ticket) {
  if (!root.has_state()) return;
  for (const std::string& path : {state::partial_dir(key), state::listing_dir(key)}) {
    const auto parent = open_parent(root.state_fd(), path);
    if (!parent || !lstat_at(parent->get(), base_of(path))) continue;
    auto moved = move_to_trash(root, parent->get(), base_of(path), "private");
    if (moved) ticket.names.push_back(*std::move(moved));
  }
}

}  // namespace

Result<TrashTicket> apply_detach(const CacheRoot& root, const RemovalPlan& plan, KeptRecord* keep) {
  if (!plan.whole_repo) return fail(ErrorKind::kInvalid, plan.key.text() + ": only a whole repo can be set aside");
  const std::string folder = layout::repo_folder(plan.key);
  TrashTicket ticket{plan.key, {}, {}};
  if (keep != nullptr) {
    if (auto kept = keep->take_repo(); !kept) return std::unexpected(kept.error());
    detach_private_state(root, plan.key, ticket);
    return ticket;
  }
  auto moved = move_to_trash(root, root.fd(), folder, folder);
  if (moved) {
    ticket.names.push_back(*std::move(moved));
  } else if (moved.error().kind == ErrorKind::kNotFound && !lstat_at(root.fd(), folder)) {
    return std::unexpected(moved.error());
  } else if (auto deleted = delete_in_place(root, plan.key, ticket.payloads); !deleted) {
    return std::unexpected(deleted.error());
  }
  detach_private_state(root, plan.key, ticket);
  return ticket;
}

Status finish_detach(const CacheRoot& root, const TrashTicket& ticket) {
  Status status;
  for (const XetHash& hash : ticket.payloads) {
    const auto swept = sweep_payload(root, hash);
    if (!swept) keep_first(status, std::unexpected(swept.error()));
  }
  for (const std::string& name : ticket.names) keep_first(status, delete_from_trash(root, name));
  return status;
}

Status apply_removal(const CacheRoot& root, const RemovalPlan& plan, BlobUses* uses, KeptRecord* keep) {
  if (!plan.whole_repo) return apply_parts(root, plan, uses, keep);
  const auto ticket = apply_detach(root, plan, keep);
  if (!ticket) return std::unexpected(ticket.error());
  return finish_detach(root, *ticket);
}

}  // namespace hubfs
