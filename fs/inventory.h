// SPDX-License-Identifier: Apache-2.0
//
// What the cache holds, repo by repo, for `hubfs ls`. Reads the disk, never the network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/view_parts.h"

namespace hubfs {

struct InventoryItem {
  std::string repo_id;
  std::string repo_type;
  std::string family;
  std::string type;
  std::string name;
  std::string path;                   ///< in the view: "models/llama/Llama-3.2-1B"
  std::string commit;                 ///< the default revision
  std::vector<std::string> refs;
  std::vector<std::string> roots;     ///< cache roots that hold it; more than one is a duplicate
  std::uint64_t size = 0;             ///< bytes of the files of the default revision, whether here or not
  std::uint64_t size_on_disk = 0;     ///< bytes that its blobs, real files and partial downloads occupy in all roots
  std::string state;                  ///< "cached" when every file of the default revision is here, else "partial"
  bool pinned = false;
};

struct Inventory {
  std::vector<InventoryItem> items;  ///< sorted by path
  std::uint64_t size_on_disk = 0;    ///< of all; what several repos share is in each of them, and here once
};

/// The library is loaded.
Inventory take_inventory(ViewParts& parts);

}  // namespace hubfs
