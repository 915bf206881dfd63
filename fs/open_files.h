// SPDX-License-Identifier: Apache-2.0
//
// Open file nodes. All opens of a node share one OpenFile from the first open to the last release: the kernel refuses a
// mixture of modes on one inode, and a file that was removed meanwhile can still be opened again through
// /proc/self/fd. Thread-safe.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "core/base/thread_annotations.h"
#include "core/base/unique_fd.h"
#include "core/fetch/fetch_file.h"
#include "fs/inode_table.h"

namespace hubfs {

struct OpenFile {
  UniqueFd fd;              ///< the complete blob or real file; -1 while it is being fetched
  FetchFilePtr fetch;       ///< set for files that were not complete when opened
  std::uint64_t size = 0;
  struct stat last_stat {};  ///< as it was when opened; shown when no name is left
  bool keep_cache = true;   ///< content is immutable, so the kernel's pages stay good
  int backing_id = 0;       ///< > 0: passthrough
  std::optional<RepoKey> repo;  ///< which one is used by who has it open
};
using OpenFilePtr = std::shared_ptr<OpenFile>;

class OpenFiles {
 public:
  /// The node's open file, with one more user; null when it is not open.
  OpenFilePtr join(NodeId node);
  /// Registers `fresh` unless another thread was quicker; the one that counts, with one more user.
  OpenFilePtr add(NodeId node, OpenFilePtr fresh);
  /// Takes a user away; the file if that was the last one (its backing id must then be closed).
  OpenFilePtr leave(NodeId node);
  [[nodiscard]] bool has(NodeId node) const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct Item {
    OpenFilePtr file;
    std::uint64_t users = 0;
  };
  mutable Mutex mutex_;  ///< guards items_
  std::unordered_map<NodeId, Item> items_ GUARDED_BY(mutex_);
};

}  // namespace hubfs
