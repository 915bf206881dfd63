// SPDX-License-Identifier: Apache-2.0
//
// What a removal takes with it. Reads only.
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "core/base/file_io.h"
#include "core/cache/blob_usage.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/ref_files.h"
#include "core/cache/removal.h"
#include "core/cache/repo_scan.h"
#include "core/cache/shared_store.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;

// A file with other names gives nothing back.
std::uint64_t bytes_of(const struct stat& st) {
  return S_ISREG(st.st_mode) && st.st_nlink == 1 ? static_cast<std::uint64_t>(st.st_blocks) * 512 : 0;
}

// The real files in a folder of a snapshot (clients without links store the bytes there).
std::uint64_t real_file_bytes(int fd, int depth) {
  std::uint64_t bytes = 0;
  const auto names = read_dir(fd);
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind == NameKind::kFile) {
      if (const auto st = lstat_at(fd, name.name)) bytes += bytes_of(*st);
    } else if (name.kind == NameKind::kFolder && depth < kMaxDepth) {
      if (const auto sub = open_dir(fd, name.name)) bytes += real_file_bytes(sub->get(), depth + 1);
    }
  }
  return bytes;
}

std::uint64_t real_file_bytes_in(const CacheRoot& root, const std::string& folder) {
  const auto fd = open_dir(root.fd(), folder);
  return fd ? real_file_bytes(fd->get(), 0) : 0;
}

// A payload counts if nothing but what goes refers to it.
std::uint64_t payload_bytes(const CacheRoot& root, const XetHash& hash, const std::set<std::string>& going) {
  const auto references = valid_references(root, hash);
  if (!references || !std::includes(going.begin(), going.end(), references->begin(), references->end())) return 0;
  const auto st = stat_payload(root, hash);
  return st ? bytes_of(*st) : 0;
}

// What the names of `<repo>/blobs` that go give back.
std::uint64_t blob_bytes(const CacheRoot& root, const RepoKey& key, const std::vector<std::string>& names) {
  const std::string folder = layout::blobs_dir(key);
  const auto fd = open_dir(root.fd(), folder);
  if (!fd) return 0;
  LinkTargets targets(root, key);
  std::set<std::string> going;
  std::set<XetHash> payloads;
  std::uint64_t bytes = 0;
  for (const std::string& name : names) {
    const std::string path = folder + "/" + name;
    const auto st = lstat_at(fd->get(), name);
    if (!st) continue;
    bytes += bytes_of(*st);
    if (!S_ISLNK(st->st_mode)) continue;
    going.insert(path);
    const auto target = read_link_at(fd->get(), name);
    const auto hash = target && !target->empty() ? targets.payload(path, *target) : std::nullopt;
    if (hash) payloads.insert(*hash);
  }
  const bool store = !payloads.empty() && has_shared_store(root);
  for (const XetHash& hash : payloads) bytes += store ? payload_bytes(root, hash, going) : 0;
  return bytes;
}

// Keeps those of `candidates` that nothing else needs, and counts them.
void take_unneeded(const CacheRoot& root, RemovalPlan& plan, const std::set<std::string>& candidates, BlobUses* uses) {
  const NeededBlobs needed(root, plan, uses);
  std::vector<std::string> names;
  for (const std::string& name : candidates) {
    auto etag = BlobId::parse(name);
    if (!etag || needed.contains(*etag) || !lstat_at(root.fd(), layout::blob(plan.key, *etag))) continue;
    names.push_back(name);
    plan.blobs.push_back(*std::move(etag));
  }
  plan.bytes += blob_bytes(root, plan.key, names);
}

// Whether snapshots/ has a folder beside that of `commit`, under whatever name.
bool has_other_snapshot(const CacheRoot& root, const RepoKey& key, const CommitHash& commit) {
  const auto names = read_dir_at(root.fd(), layout::snapshots_dir(key));
  if (!names) return true;
  return std::any_of(names->begin(), names->end(), [&](const NameInDir& name) {
    return name.kind == NameKind::kFolder && name.name != commit.text();
  });
}

}  // namespace

Result<RemovalPlan> plan_repo_removal(const CacheRoot& root, const RepoKey& key) {
  const std::string folder = layout::repo_folder(key);
  const auto st = lstat_at(root.fd(), folder);
  if (!st) return fail_errno(folder);
  if (!S_ISDIR(st->st_mode)) return fail(ErrorKind::kNotFound, folder + ": not a folder");
  RemovalPlan plan{.key = key, .whole_repo = true, .refs = {}, .snapshots = {}, .entries = {}, .blobs = {}, .bytes = 0};
  std::vector<std::string> names;
  const auto found = read_dir_at(root.fd(), layout::blobs_dir(key));
  for (const NameInDir& name : found ? *found : std::vector<NameInDir>{}) {
    names.push_back(name.name);
    if (layout::classify_blob_name(name.name) != layout::BlobDirEntry::kBlob) continue;
    if (auto etag = BlobId::parse(name.name)) plan.blobs.push_back(*std::move(etag));
  }
  plan.bytes = blob_bytes(root, key, names) + real_file_bytes_in(root, layout::snapshots_dir(key));
  return plan;
}

Result<RemovalPlan> plan_commit_removal(const CacheRoot& root, const RepoKey& key, const CommitHash& commit) {
  const auto entries = scan_snapshot(root, key, commit, nullptr);
  if (!entries) return std::unexpected(entries.error());
  if (!has_other_snapshot(root, key, commit)) return plan_repo_removal(root, key);
  RemovalPlan plan{
      .key = key, .whole_repo = false, .refs = {}, .snapshots = {commit}, .entries = {}, .blobs = {}, .bytes = 0};
  for (const RefFile& file : read_ref_files(root, key, nullptr)) {
    const auto name = RefName::parse(file.name);
    if (file.commit == commit && name) plan.refs.push_back(*name);
  }
  std::set<std::string> candidates;
  for (const SnapshotEntry& entry : *entries) {
    if (entry.etag) candidates.insert(entry.etag->text());
  }
  plan.bytes = real_file_bytes_in(root, layout::snapshot(key, commit));
  take_unneeded(root, plan, candidates, nullptr);
  return plan;
}

Result<RemovalPlan> plan_file_removal(const CacheRoot& root, const RepoKey& key, const std::vector<CommitHash>& commits,
                                      const RelPath& path, BlobUses* uses) {
  RemovalPlan plan{
      .key = key, .whole_repo = false, .refs = {}, .snapshots = {}, .entries = {}, .blobs = {}, .bytes = 0};
  LinkTargets targets(root, key);
  std::set<std::string> candidates;
  for (const CommitHash& commit : commits) {
    const std::string entry = layout::snapshot_entry(key, commit, path);
    const auto st = lstat_at(root.fd(), entry);
    if (!st) continue;
    if (S_ISREG(st->st_mode)) {
      plan.bytes += bytes_of(*st);
      plan.entries.push_back({commit, path});
      continue;
    }
    const auto target = S_ISLNK(st->st_mode) ? read_link_plain(root.fd(), entry) : Result<std::string>(std::string());
    if (!target || target->empty()) continue;
    auto etag = targets.blob(entry, *target);
    if (!etag) {
      if (const auto hash = targets.payload(entry, *target)) etag = targets.blob_of_payload(*hash);
    }
    if (!etag) continue;
    plan.entries.push_back({commit, path});
    candidates.insert(etag->text());
  }
  if (plan.entries.empty())
    return fail(ErrorKind::kNotFound, layout::repo_folder(key) + ": no cached file " + path.text());
  take_unneeded(root, plan, candidates, uses);
  return plan;
}

}  // namespace hubfs
