// SPDX-License-Identifier: Apache-2.0
#include "core/cache/private_state.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "core/cache/dir_walk.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

// These folders are flat: whatever else is in them was not made by hubfs and keeps the folder.
void remove_flat_folder(int dir_fd, const std::string& path) {
  const auto fd = open_dir(dir_fd, path);
  const auto names = fd ? read_dir(fd->get()) : std::unexpected(fd.error());
  for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) ::unlinkat(fd->get(), entry.name.c_str(), 0);
  static_cast<void>(unlink_plain(dir_fd, path, AT_REMOVEDIR));
}

}  // namespace

void remove_private_state(const CacheRoot& root, const RepoKey& key) {
  if (!root.has_state()) return;
  remove_flat_folder(root.state_fd(), state::partial_dir(key));
  remove_flat_folder(root.state_fd(), state::listing_dir(key));
}

void remove_empty_snapshot_folder(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                  const RelPath& path) {
  const std::string folder = layout::snapshot_entry(key, commit, path);
  static_cast<void>(unlink_plain(root.fd(), folder, AT_REMOVEDIR));
}

}  // namespace hubfs
