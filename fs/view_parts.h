// SPDX-License-Identifier: Apache-2.0
//
// A view with everything it stands on, from the cache roots to the Hub, in the order in which the parts are made (and the
// reverse of which they end in). For a mount, and for commands that look at or remove from a cache without one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/catalog/library.h"
#include "core/catalog/memory.h"
#include "core/fetch/remote_catalog.h"
#include "core/hub/http_loop.h"
#include "core/hub/hub_client.h"
#include "fs/mount_options.h"
#include "fs/tree_cache.h"
#include "fs/view.h"

namespace hubfs {

/// Opens the roots; the first is made if it is missing.
Result<std::vector<CacheRootPtr>> open_roots(const std::vector<std::string>& paths);

struct ViewParts {
  /// The library is not loaded yet.
  ViewParts(const MountOptions& options, std::vector<CacheRootPtr> roots);

  std::vector<CacheRootPtr> roots;
  Memory memory;
  Library library;
  std::unique_ptr<HttpLoop> loop;
  HubClient hub;
  RemoteCatalog remote;
  TreeCache trees;
  View view;
};

}  // namespace hubfs
