// SPDX-License-Identifier: Apache-2.0
#include "core/cache/disk_use.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/partial_file.h"
#include "core/cache/repo_scan.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr int kMaxDepth = 200;
constexpr std::uint64_t kBlock = 512;
// A folder that changed this shortly before it was read may change again without another time.
constexpr std::int64_t kAtRestNs = 2'000'000'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void add(FileUses& uses, const struct stat& st) {
  uses[{st.st_dev, st.st_ino}] = {static_cast<std::uint64_t>(st.st_blocks) * kBlock, st.st_nlink};
}

struct Walk {
  FileUses& uses;
  bool growing = false;

  void folder(int fd, int depth) {
    const auto names = read_dir(fd);
    if (!names || depth > kMaxDepth) return;
    for (const NameInDir& name : *names) {
      if (name.kind == NameKind::kFolder) {
        if (const auto sub = open_dir(fd, name.name)) folder(sub->get(), depth + 1);
      } else if (name.kind == NameKind::kFile) {
        growing = growing || layout::is_temporary_name(name.name);
        if (const auto st = lstat_at(fd, name.name); st && S_ISREG(st->st_mode)) add(uses, *st);
      }
    }
  }

  void folder_at(int dir_fd, const std::string& path) {
    if (const auto fd = open_dir(dir_fd, path)) folder(fd->get(), 0);
  }
};

}  // namespace

void DiskUse::count() {
  repos_read_ = 0;
  std::set<RepoKey> keys;
  if (const auto found = list_repos(*root_, nullptr)) keys.insert(found->begin(), found->end());
  for (RepoKey& key : list_partial_repos(*root_)) keys.insert(std::move(key));
  std::erase_if(repos_, [&](const auto& item) { return !keys.contains(item.first); });
  for (const RepoKey& key : keys) count_repo(key, repos_[key]);
  rest_.clear();
  count_store();
  count_state();
}

void DiskUse::count_repo(const RepoKey& key, Counted& counted) {
  std::string signature;
  bool at_rest = true;
  const std::int64_t now = now_ns();
  for (const std::string& folder : {layout::repo_folder(key), layout::blobs_dir(key), layout::snapshots_dir(key)}) {
    const auto st = lstat_at(root_->fd(), folder);
    const std::int64_t changed = st ? st->st_mtim.tv_sec * 1'000'000'000 + st->st_mtim.tv_nsec : 0;
    signature += st ? std::to_string(st->st_ino) + "." + std::to_string(changed) + " " : "- ";
    at_rest = at_rest && changed < now - kAtRestNs;
  }
  counted.use.partials.clear();
  if (root_->has_state()) Walk{counted.use.partials}.folder_at(root_->state_fd(), state::partial_dir(key));
  if (counted.settled && counted.signature == signature) return;
  ++repos_read_;
  counted.use.files.clear();
  Walk walk{counted.use.files};
  walk.folder_at(root_->fd(), layout::repo_folder(key));
  counted.alone = 0;
  for (const auto& [file, use] : counted.use.files) counted.alone += use.names == 1 ? use.bytes : 0;
  // Links into the shared store: the payload belongs to all who link it.
  const auto blobs = read_dir_at(root_->fd(), layout::blobs_dir(key));
  for (const NameInDir& name : blobs ? *blobs : std::vector<NameInDir>{}) {
    const auto etag = name.kind == NameKind::kLink ? BlobId::parse(name.name) : std::nullopt;
    const auto blob = etag ? stat_blob(*root_, key, *etag) : Result<BlobOnDisk>(BlobOnDisk{});
    if (blob && blob->form == BlobForm::kShared) add(counted.use.files, blob->st);
  }
  counted.signature = std::move(signature);
  counted.settled = at_rest && !walk.growing;
}

// Payloads that no repo links any more are in no repo, and take space all the same.
void DiskUse::count_store() { Walk{rest_}.folder_at(root_->fd(), std::string(layout::kSharedStore)); }

void DiskUse::count_state() {
  if (!root_->has_state()) return;
  const auto names = read_dir(root_->state_fd());
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind == NameKind::kFolder && name.name != state::kPartial)
      Walk{rest_}.folder_at(root_->state_fd(), name.name);
  }
}

const RepoUse* DiskUse::of(const RepoKey& key) const {
  const auto it = repos_.find(key);
  return it == repos_.end() ? nullptr : &it->second.use;
}

std::uint64_t total_of(const std::vector<DiskUse>& roots) {
  std::uint64_t total = 0;
  FileUses shared;
  for (const DiskUse& root : roots) {
    for (const auto& [key, counted] : root.repos_) {
      total += counted.alone;
      for (const auto& [file, use] : counted.use.partials) total += use.bytes;
      for (const auto& [file, use] : counted.use.files) {
        if (use.names > 1) shared.emplace(file, use);
      }
    }
    shared.insert(root.rest_.begin(), root.rest_.end());
  }
  for (const auto& [file, use] : shared) total += use.bytes;
  return total;
}

}  // namespace hubfs
