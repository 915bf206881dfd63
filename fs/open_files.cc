// SPDX-License-Identifier: Apache-2.0
#include "fs/open_files.h"

namespace hubfs {

OpenFilePtr OpenFiles::join(NodeId node) {
  const MutexLock lock(mutex_);
  const auto it = items_.find(node);
  if (it == items_.end()) return nullptr;
  ++it->second.users;
  return it->second.file;
}

OpenFilePtr OpenFiles::add(NodeId node, OpenFilePtr fresh) {
  const MutexLock lock(mutex_);
  Item& item = items_[node];
  // Handles of a file that turned out to be wrong, or was removed, keep it; later ones begin anew.
  const bool spoiled = item.file && item.file->fetch &&
                       (item.file->fetch->tainted() || item.file->fetch->phase() == FetchFile::Phase::kRemoved);
  if (!item.file || spoiled) item.file = std::move(fresh);
  ++item.users;
  return item.file;
}

OpenFilePtr OpenFiles::leave(NodeId node) {
  const MutexLock lock(mutex_);
  const auto it = items_.find(node);
  if (it == items_.end() || --it->second.users > 0) return nullptr;
  OpenFilePtr last = std::move(it->second.file);
  items_.erase(it);
  return last;
}

bool OpenFiles::has(NodeId node) const {
  const MutexLock lock(mutex_);
  return items_.contains(node);
}

std::size_t OpenFiles::size() const {
  const MutexLock lock(mutex_);
  return items_.size();
}

}  // namespace hubfs
