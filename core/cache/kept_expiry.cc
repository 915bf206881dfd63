// SPDX-License-Identifier: Apache-2.0
//
// What is kept, and its end.
#include <algorithm>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/kept.h"
#include "core/cache/kept_files.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;

// Blobs and the real files of snapshots; links into the shared store hold no bytes.
void count_files(int fd, KeptInfo& info, int depth) {
  const auto names = read_dir(fd);
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind == NameKind::kFolder && depth < kMaxDepth) {
      if (const auto sub = open_dir(fd, name.name)) count_files(sub->get(), info, depth + 1);
    } else if (name.kind == NameKind::kFile) {
      const auto st = lstat_at(fd, name.name);
      if (!st) continue;
      ++info.files;
      info.bytes += st->st_nlink == 1 ? static_cast<std::uint64_t>(st->st_blocks) * 512 : 0;
    }
  }
}

Result<KeptInfo> look_at(int kept_fd, const std::string& id) {
  const auto fd = open_dir(kept_fd, id);
  if (!fd) return std::unexpected(fd.error());
  auto note = read_kept_note(fd->get());
  if (!note) return std::unexpected(note.error());
  const auto parts = kept_parts(fd->get());
  if (!parts) return std::unexpected(parts.error());
  KeptInfo info{id, std::move(note->key), note->created_s, note->added_s, note->deadline_s, 0, 0, false};
  for (const KeptPart& part : *parts) {
    info.whole = info.whole || part.whole;
    for (const std::string_view folder : {layout::kBlobs, layout::kSnapshots}) {
      const auto sub = open_dir(fd->get(), part.name() + "/" + std::string(folder));
      if (sub) count_files(sub->get(), info, 0);
    }
  }
  return info;
}

// A record that a crash ended before its note was written: nothing is in it yet. Whoever is making it right now finds
// its folder gone after locking it, and makes another.
void remove_unbegun(const CacheRoot& root, int kept_fd, const std::string& id) {
  const auto fd = lock_kept(root, id, false, 0);
  if (!fd) return;
  const auto note = read_kept_note(fd->get());
  const auto parts = kept_parts(fd->get());
  if (note || note.error().kind != ErrorKind::kNotFound || !parts || !parts->empty()) return;
  if (auto removed = remove_tree(kept_fd, id); !removed) log::warn(removed.error().message);
}

}  // namespace

std::vector<KeptInfo> list_kept(const CacheRoot& root, std::vector<std::string>* problems) {
  std::vector<KeptInfo> found;
  const auto kept = open_kept(root, false);
  const auto names = kept ? read_dir(kept->get()) : std::unexpected(kept.error());
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind != NameKind::kFolder || !is_kept_id(name.name)) continue;
    auto info = look_at(kept->get(), name.name);
    if (info) {
      found.push_back(*std::move(info));
    } else if (problems != nullptr && lstat_at(kept->get(), name.name)) {
      problems->push_back(root.state_path() + "/" + state::kKept + "/" + name.name + ": " + info.error().message);
    }
  }
  std::sort(found.begin(), found.end(), [](const KeptInfo& a, const KeptInfo& b) {
    return a.added_s != b.added_s ? a.added_s < b.added_s : a.id < b.id;
  });
  return found;
}

Result<bool> expire_kept(const CacheRoot& root, const std::string& id, std::int64_t now_s) {
  const auto fd = lock_kept(root, id, false, 0);
  if (!fd && fd.error().kind == ErrorKind::kNotFound) return true;
  if (!fd && fd.error().kind == ErrorKind::kBusy) return false;
  if (!fd) return std::unexpected(fd.error());
  const auto note = read_kept_note(fd->get());
  if (!note) return std::unexpected(note.error());
  if (note->deadline_s > now_s) return false;
  if (auto deleted = delete_kept(root, id, fd->get(), note->key); !deleted) return std::unexpected(deleted.error());
  return true;
}

Status expire_all_kept(const CacheRoot& root, std::int64_t now_s) {
  const auto kept = open_kept(root, false);
  const auto names = kept ? read_dir(kept->get()) : std::unexpected(kept.error());
  Status status;
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind != NameKind::kFolder || !is_kept_id(name.name)) continue;
    // Looked at without its lock first: whoever fills it need not wait for that.
    const auto fd = open_dir(kept->get(), name.name);
    const auto note = fd ? read_kept_note(fd->get()) : std::unexpected(fd.error());
    if (fd && !note && note.error().kind == ErrorKind::kNotFound) {
      remove_unbegun(root, kept->get(), name.name);
      continue;
    }
    if (!note || note->deadline_s > now_s) continue;
    const auto gone = expire_kept(root, name.name, now_s);
    if (!gone && status) status = std::unexpected(gone.error());
  }
  return status;
}

std::set<XetHash> payloads_of_kept(const CacheRoot& root) {
  std::set<XetHash> payloads;
  const auto kept = open_kept(root, false);
  if (!kept) return payloads;
  for (const KeptInfo& info : list_kept(root)) {
    const auto record = open_dir(kept->get(), info.id);
    const auto parts = record ? kept_parts(record->get()) : std::unexpected(record.error());
    LinkTargets targets(root, info.key);
    for (const KeptPart& part : parts ? *parts : std::vector<KeptPart>{}) {
      const std::string folder = part.name() + "/" + std::string(layout::kBlobs);
      const auto names = read_dir_at(record->get(), folder);
      for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
        if (name.kind != NameKind::kLink) continue;
        const auto target = read_link_plain(record->get(), folder + "/" + name.name);
        if (!target || target->empty()) continue;
        // Relative to where the link was.
        auto hash = targets.payload(layout::blobs_dir(info.key) + "/" + name.name, *target);
        if (hash) payloads.insert(*std::move(hash));
      }
    }
  }
  return payloads;
}

}  // namespace hubfs
