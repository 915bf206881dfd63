// SPDX-License-Identifier: Apache-2.0
#include "core/cache/private_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "core/base/file_io.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

// These folders are flat: whatever else is in them was not made by hubfs and keeps the folder.
void remove_flat_folder(int dir_fd, const std::string& path) {
  auto fd = open_at(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return;
  const int folder = fd->get();
  DIR* dir = ::fdopendir(folder);
  if (dir == nullptr) return;
  static_cast<void>(fd->release());
  while (const dirent* entry = ::readdir(dir)) ::unlinkat(folder, entry->d_name, 0);
  ::closedir(dir);
  ::unlinkat(dir_fd, path.c_str(), AT_REMOVEDIR);
}

}  // namespace

void remove_private_state(const CacheRoot& root, const RepoKey& key) {
  if (!root.has_state()) return;
  remove_flat_folder(root.state_fd(), state::partial_dir(key));
  remove_flat_folder(root.state_fd(), state::listing_dir(key));
}

void remove_empty_snapshot_folder(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                  const RelPath& path) {
  const std::string full = layout::snapshot_entry(key, commit, path);
  const std::size_t slash = full.rfind('/');
  const auto parent = open_beneath(root.fd(), full.substr(0, slash), O_PATH | O_DIRECTORY);
  if (parent) ::unlinkat(parent->get(), full.substr(slash + 1).c_str(), AT_REMOVEDIR);
}

}  // namespace hubfs
