// SPDX-License-Identifier: Apache-2.0
//
// Whether a removal may be done: the caller's rights, our own, and who is at work in it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "core/base/process_files.h"
#include "core/cache/blob_lock.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/listing_file.h"
#include "core/cache/removal.h"

namespace hubfs {

namespace {

constexpr mode_t kWriteAndSearch = S_IWOTH | S_IXOTH;

// The names that go, by the folder they are in.
using NamesByFolder = std::map<std::string, std::vector<std::string>>;

NamesByFolder names_that_go(const RemovalPlan& plan) {
  NamesByFolder names;
  const auto add = [&](const std::string& path) { names[parent_of(path)].push_back(base_of(path)); };
  if (plan.whole_repo) {
    add(layout::repo_folder(plan.key));
    return names;
  }
  for (const RefName& ref : plan.refs) add(layout::ref(plan.key, ref));
  for (const CommitHash& commit : plan.snapshots) {
    add(layout::snapshot(plan.key, commit));
    names[layout::snapshot(plan.key, commit)];
  }
  for (const RemovalPlan::Entry& entry : plan.entries) add(layout::snapshot_entry(plan.key, entry.commit, entry.path));
  for (const BlobId& etag : plan.blobs) add(layout::blob(plan.key, etag));
  return names;
}

// Nothing on disk goes, only a name that is shown: that takes the rights in the repo's folder, or in the root where there is
// none.
NamesByFolder where_it_would_be(const CacheRoot& root, const RepoKey& key) {
  const std::string folder = layout::repo_folder(key);
  return {{lstat_at(root.fd(), folder) ? folder : ".", {}}};
}

bool has_rights(const struct stat& folder, const Caller& caller) {
  if (caller.uid == 0) return true;
  mode_t rights = folder.st_mode;
  if (folder.st_uid == caller.uid) {
    rights >>= 6U;
  } else if (std::find(caller.groups.begin(), caller.groups.end(), folder.st_gid) != caller.groups.end()) {
    rights >>= 3U;
  }
  return (rights & kWriteAndSearch) == kWriteAndSearch;
}

bool sticky_allows(const struct stat& folder, const struct stat& name, uid_t uid) {
  return (folder.st_mode & S_ISVTX) == 0 || uid == 0 || uid == folder.st_uid || uid == name.st_uid;
}

std::unexpected<Error> denied(const std::string& folder, const std::string& why) {
  return fail(ErrorKind::kAccessDenied,
              "no permission to remove names in " + (folder == "." ? "the cache root" : folder) + " (" + why + ")");
}

Status check_folder(const CacheRoot& root, const std::string& folder, const std::vector<std::string>& names,
                    const Caller& caller) {
  const auto fd = folder == "." ? open_plain(root.fd(), ".", O_PATH | O_DIRECTORY)
                                : open_plain(root.fd(), folder, O_PATH | O_DIRECTORY);
  // Gone in the meantime: nothing to do there.
  if (!fd && (fd.error().sys_errno == ENOENT || fd.error().sys_errno == ENOTDIR)) return {};
  if (!fd) return std::unexpected(fd.error());
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0) return fail_errno(folder);
  if (!has_rights(st, caller)) return denied(folder, "its mode does not let user " + std::to_string(caller.uid));
  if (::faccessat(fd->get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    if (errno == EROFS) return fail(ErrorKind::kReadOnly, folder + ": cannot remove: the file system is read-only");
    return denied(folder, "hubfs itself may not");
  }
  if ((st.st_mode & S_ISVTX) == 0) return {};
  for (const std::string& name : names) {
    const auto entry = lstat_at(fd->get(), name);
    if (!entry) continue;
    if (!sticky_allows(st, *entry, caller.uid))
      return denied(folder, "sticky, and " + name + " belongs to another user");
    if (!sticky_allows(st, *entry, ::geteuid())) return denied(folder, "sticky, and hubfs does not own " + name);
  }
  return {};
}

// Moving a folder to another parent changes its "..", which takes the right to write to it.
Status check_own_rename(const CacheRoot& root, const RemovalPlan& plan) {
  const std::string folder = layout::repo_folder(plan.key);
  if (::faccessat(root.fd(), folder.c_str(), W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT) return {};
  return denied(folder, "hubfs itself may not");
}

// JavaScript clients take no locks: what they are writing to is open.
Status check_open_downloads(const CacheRoot& root, const RemovalPlan& plan) {
  if (!plan.whole_repo) return {};
  const std::string folder = layout::blobs_dir(plan.key);
  const auto names = read_dir_at(root.fd(), folder);
  std::set<FileIdentity> downloads;
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (layout::classify_blob_name(name.name) != layout::BlobDirEntry::kIncomplete) continue;
    if (const auto st = lstat_at(root.fd(), folder + "/" + name.name)) downloads.emplace(st->st_dev, st->st_ino);
  }
  if (downloads.empty()) return {};
  const std::vector<OpenInode> open = find_open(downloads);
  if (open.empty()) return {};
  return fail(ErrorKind::kBusy, plan.key.text() + ": " + open.front().command + " (process " + std::to_string(open.front().pid) +
                                    ") is downloading into it; end that or try again later");
}

Status check_locks(const CacheRoot& root, const RemovalPlan& plan) {
  const auto busy = [&](const BlobId& etag) -> Status {
    return fail(ErrorKind::kBusy,
                plan.key.text() + ": " + BlobLock::holder(root, plan.key, etag) + " is downloading " + etag.text() +
                    " of it; end that or try again later");
  };
  // Of a file only its own locks: a repo of many files has as many, and each of them is removed in turn.
  if (!plan.whole_repo && plan.snapshots.empty()) {
    const auto held = std::find_if(plan.blobs.begin(), plan.blobs.end(),
                                   [&](const BlobId& etag) { return BlobLock::is_held(root, plan.key, etag); });
    return held == plan.blobs.end() ? Status{} : busy(*held);
  }
  if (auto free = check_open_downloads(root, plan); !free) return free;
  const std::vector<BlobId> held = BlobLock::all_held(root, plan.key);
  if (held.empty()) return {};
  std::set<std::string> concerned;
  for (const BlobId& etag : plan.blobs) concerned.insert(etag.text());
  // What is being downloaded for the commit is not in the snapshot yet; its listing tells.
  for (const CommitHash& commit : plan.snapshots) {
    if (const auto listing = read_listing(root, plan.key, commit)) {
      for (const auto& [path, file] : *listing) concerned.insert(file.etag());
    }
  }
  for (const BlobId& etag : held) {
    if (!plan.whole_repo && !concerned.contains(etag.text())) continue;
    return busy(etag);
  }
  return {};
}

}  // namespace

Status check_removal(const CacheRoot& root, const RemovalPlan& plan, const Caller& caller) {
  for (const auto& [folder, names] : plan.removes_nothing() ? where_it_would_be(root, plan.key) : names_that_go(plan)) {
    if (auto allowed = check_folder(root, folder, names, caller); !allowed) return allowed;
  }
  if (plan.whole_repo) {
    if (auto allowed = check_own_rename(root, plan); !allowed) return allowed;
  }
  return check_locks(root, plan);
}

}  // namespace hubfs
