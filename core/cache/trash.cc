// SPDX-License-Identifier: Apache-2.0
#include "core/cache/trash.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <set>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/removal.h"
#include "core/cache/shared_store.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::size_t kSuffixLength = 9;  // ".<8 hex>"

// The repo that a name in the trash was.
std::optional<RepoKey> repo_in_trash(const std::string& name) {
  if (name.size() <= kSuffixLength) return std::nullopt;
  return layout::parse_repo_folder(std::string_view(name).substr(0, name.size() - kSuffixLength));
}

// The links are relative to where they were, so they are read with their former paths.
std::set<XetHash> payloads_in_trash(const CacheRoot& root, int trash_fd, const std::string& name, const RepoKey& key) {
  std::set<XetHash> payloads;
  const auto fd = open_dir(trash_fd, name + "/" + std::string(layout::kBlobs));
  const auto names = fd ? read_dir(fd->get()) : std::unexpected(fd.error());
  LinkTargets targets(root, key);
  for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) {
    if (entry.kind != NameKind::kLink) continue;
    const auto target = read_link_at(fd->get(), entry.name);
    if (!target || target->empty()) continue;
    if (auto hash = targets.payload(layout::blobs_dir(key) + "/" + entry.name, *target))
      payloads.insert(*std::move(hash));
  }
  return payloads;
}

}  // namespace

Result<UniqueFd> open_trash(const CacheRoot& root) {
  if (!root.has_state()) return std::unexpected(root.no_state());
  const bool made = ::mkdirat(root.state_fd(), state::kTrash, 0700) == 0;
  auto fd = open_dir(root.state_fd(), state::kTrash);
  if (!fd || !made) return fd;
  // Those who share the cache share its trash.
  struct stat st{};
  if (::fstat(root.state_fd(), &st) == 0 && ::fchmod(fd->get(), st.st_mode & 07777U) != 0)
    log::debug("trash keeps its mode");
  return fd;
}

Result<std::string> move_to_trash(const CacheRoot& root, int dir_fd, const std::string& name, const std::string& stem) {
  auto trash = open_trash(root);
  if (!trash) return std::unexpected(trash.error());
  std::string target = stem + "." + random_hex8();
  if (::renameat(dir_fd, name.c_str(), trash->get(), target.c_str()) != 0) return fail_errno("cannot rename " + name);
  return target;
}

Status delete_from_trash(const CacheRoot& root, const std::string& name) {
  const auto trash = open_trash(root);
  if (!trash) return std::unexpected(trash.error());
  // Swept before the deletion: the rename has made the references void already, and after a crash in between the links
  // are still here to be read again.
  Status swept;
  if (const auto key = repo_in_trash(name)) {
    for (const XetHash& hash : payloads_in_trash(root, trash->get(), name, *key)) {
      const auto done = sweep_payload(root, hash);
      if (!done && swept) swept = std::unexpected(done.error());
    }
  }
  Status removed = remove_tree(trash->get(), name);
  return removed ? swept : removed;
}

void empty_trash(const CacheRoot& root) {
  if (!root.has_state() || !lstat_at(root.state_fd(), state::kTrash)) return;
  const auto names = read_dir_at(root.state_fd(), state::kTrash);
  for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) {
    if (auto done = delete_from_trash(root, entry.name); !done)
      log::warn("emptying the trash: " + done.error().message);
  }
}

}  // namespace hubfs
