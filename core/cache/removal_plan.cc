// SPDX-License-Identifier: Apache-2.0
//
// What a removal takes with it. Reads only.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
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
void count(RemovalPlan& plan, const struct stat& st) {
  if (!S_ISREG(st.st_mode) || st.st_nlink != 1) return;
  plan.freed.push_back({st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_blocks) * 512});
  plan.bytes += plan.freed.back().bytes;
}

// What is not there is nothing to remove; what cannot be looked at is no answer.
Result<std::optional<struct stat>> stat_if_there(int dir_fd, const std::string& path) {
  const auto st = lstat_at(dir_fd, path);
  if (!st && may_pass(errno)) return fail_errno(path);
  return st;
}

// The real files in a folder of a snapshot (clients without links store the bytes there).
void count_real_files(RemovalPlan& plan, int fd, int depth) {
  const auto names = read_dir(fd);
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind == NameKind::kFile) {
      if (const auto st = lstat_at(fd, name.name)) count(plan, *st);
    } else if (name.kind == NameKind::kFolder && depth < kMaxDepth) {
      if (const auto sub = open_dir(fd, name.name)) count_real_files(plan, sub->get(), depth + 1);
    }
  }
}

void count_real_files_in(const CacheRoot& root, RemovalPlan& plan, const std::string& folder) {
  if (const auto fd = open_dir(root.fd(), folder)) count_real_files(plan, fd->get(), 0);
}

// A payload counts if nothing but what goes refers to it.
void count_payload(const CacheRoot& root, RemovalPlan& plan, const XetHash& hash, const std::set<std::string>& going) {
  const auto references = valid_references(root, hash);
  const auto st = stat_payload(root, hash);
  if (!st) return;
  if (!references) {
    plan.stays.push_back({layout::payload(hash), "its references cannot be told"});
    return;
  }
  std::vector<std::string> others;
  std::set_difference(references->begin(), references->end(), going.begin(), going.end(), std::back_inserter(others));
  if (others.empty()) return count(plan, *st);
  plan.stays.push_back({layout::payload(hash), "shared with " + others.front()});
}

// What the names of `<repo>/blobs` that go give back.
void count_blobs(const CacheRoot& root, RemovalPlan& plan, const std::vector<std::string>& names) {
  const std::string folder = layout::blobs_dir(plan.key);
  const auto fd = open_dir(root.fd(), folder);
  if (!fd) return;
  LinkTargets targets(root, plan.key);
  std::set<std::string> going;
  std::set<XetHash> payloads;
  for (const std::string& name : names) {
    const std::string path = folder + "/" + name;
    const auto st = lstat_at(fd->get(), name);
    if (!st) continue;
    count(plan, *st);
    if (!S_ISLNK(st->st_mode)) continue;
    going.insert(path);
    const auto target = read_link_at(fd->get(), name);
    const auto hash = target && !target->empty() ? targets.payload(path, *target) : std::nullopt;
    if (hash) payloads.insert(*hash);
  }
  if (payloads.empty() || !has_shared_store(root)) return;
  for (const XetHash& hash : payloads) count_payload(root, plan, hash, going);
}

// Takes those of `candidates` that nothing else needs, and counts them.
Status take_unneeded(const CacheRoot& root, RemovalPlan& plan, const std::set<std::string>& candidates, BlobUses* uses) {
  const NeededBlobs needed(root, plan, uses);
  if (auto known = needed.status(); !known) return known;
  std::vector<std::string> names;
  for (const std::string& name : candidates) {
    auto etag = BlobId::parse(name);
    if (!etag) continue;
    const std::string path = layout::blob(plan.key, *etag);
    const auto there = stat_if_there(root.fd(), path);
    if (!there) return std::unexpected(there.error());
    if (!*there) continue;
    if (auto why = needed.need_of(*etag)) {
      plan.stays.push_back({path, *std::move(why)});
      continue;
    }
    names.push_back(name);
    plan.blobs.push_back(*std::move(etag));
  }
  count_blobs(root, plan, names);
  return {};
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
  RemovalPlan plan(key);
  plan.whole_repo = true;
  std::vector<std::string> names;
  const auto found = read_dir_at(root.fd(), layout::blobs_dir(key));
  if (!found && may_pass(found.error().sys_errno)) return std::unexpected(found.error());
  for (const NameInDir& name : found ? *found : std::vector<NameInDir>{}) {
    names.push_back(name.name);
    if (layout::classify_blob_name(name.name) != layout::BlobDirEntry::kBlob) continue;
    if (auto etag = BlobId::parse(name.name)) plan.blobs.push_back(*std::move(etag));
  }
  count_blobs(root, plan, names);
  count_real_files_in(root, plan, layout::snapshots_dir(key));
  return plan;
}

Result<RemovalPlan> plan_commit_removal(const CacheRoot& root, const RepoKey& key, const CommitHash& commit) {
  const auto entries = scan_snapshot(root, key, commit, nullptr);
  if (!entries) return std::unexpected(entries.error());
  if (!has_other_snapshot(root, key, commit)) return plan_repo_removal(root, key);
  RemovalPlan plan(key);
  plan.snapshots = {commit};
  std::optional<Error> failure;
  const std::vector<RefFile> files = read_ref_files(root, key, nullptr, &failure);
  if (failure) return std::unexpected(*failure);
  for (const RefFile& file : files) {
    const auto name = RefName::parse(file.name);
    if (file.commit == commit && name) plan.refs.push_back(*name);
  }
  std::set<std::string> candidates;
  for (const SnapshotEntry& entry : *entries) {
    if (entry.etag) candidates.insert(entry.etag->text());
  }
  count_real_files_in(root, plan, layout::snapshot(key, commit));
  if (auto taken = take_unneeded(root, plan, candidates, nullptr); !taken) return std::unexpected(taken.error());
  return plan;
}

Result<RemovalPlan> plan_file_removal(const CacheRoot& root, const RepoKey& key, const std::vector<CommitHash>& commits,
                                      const RelPath& path, BlobUses* uses) {
  RemovalPlan plan(key);
  LinkTargets targets(root, key);
  std::set<std::string> candidates;
  for (const CommitHash& commit : commits) {
    const std::string entry = layout::snapshot_entry(key, commit, path);
    const auto there = stat_if_there(root.fd(), entry);
    if (!there) return std::unexpected(there.error());
    if (!*there) continue;
    const struct stat& st = **there;
    if (S_ISREG(st.st_mode)) {
      count(plan, st);
      plan.entries.push_back({commit, path});
      continue;
    }
    const auto target = S_ISLNK(st.st_mode) ? read_link_plain(root.fd(), entry) : Result<std::string>(std::string());
    if (!target && may_pass(target.error().sys_errno)) return std::unexpected(target.error());
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
  if (auto taken = take_unneeded(root, plan, candidates, uses); !taken) return std::unexpected(taken.error());
  return plan;
}

}  // namespace hubfs
