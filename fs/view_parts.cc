// SPDX-License-Identifier: Apache-2.0
#include "fs/view_parts.h"

namespace hubfs {

namespace {

HubOptions hub_options(const MountOptions& options) {
  HubOptions hub;
  hub.endpoint = options.endpoint;
  hub.token = options.token;
  hub.offline = options.offline;
  return hub;
}

HttpLoopOptions loop_options() {
  HttpLoopOptions options;
  options.user_agent = "hubfs/" HUBFS_VERSION;
  // The engine keeps the number of requests within its own limits (FetchOptions); these are the safety net.
  options.max_connections_per_host = 72;
  options.max_connections = 96;
  return options;
}

ViewOptions view_options(const MountOptions& options) {
  ViewOptions view;
  view.show_all = options.show_all;
  view.offline = options.offline;
  view.subtree = options.subtree;
  view.permissions = options.permissions;
  return view;
}

}  // namespace

Result<std::vector<CacheRootPtr>> open_roots(const std::vector<std::string>& paths) {
  std::vector<CacheRootPtr> roots;
  for (const std::string& path : paths) {
    auto root = CacheRoot::open(path, roots.empty());
    if (!root) return std::unexpected(root.error());
    roots.push_back(std::move(*root));
  }
  return roots;
}

ViewParts::ViewParts(const MountOptions& options, std::vector<CacheRootPtr> r)
    : roots(std::move(r)),
      memory(roots.front()),
      library(roots, memory),
      loop(make_curl_http_loop(loop_options())),
      hub(*loop, hub_options(options)),
      remote(roots, *loop, hub, {}),
      trees(library, memory, remote, options.permissions),
      view(library, memory, remote, trees, view_options(options)) {}

}  // namespace hubfs
