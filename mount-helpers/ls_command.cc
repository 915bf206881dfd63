// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "fs/inventory.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/quantities.h"

namespace hubfs {

namespace {

nlohmann::json as_json(const InventoryItem& item) {
  return {{"repo_id", item.repo_id}, {"repo_type", item.repo_type}, {"family", item.family}, {"type", item.type},
          {"name", item.name},       {"path", item.path},           {"commit", item.commit},
          {"refs", item.refs},  // cache-word: a JSON key
          {"size_on_disk", item.size_on_disk}, {"size", item.size}, {"state", item.state},   {"roots", item.roots},
          {"pinned", item.pinned}};
}

}  // namespace

int ls_command(const CacheArguments& cache, bool json) {
  log::to_stderr(log::Level::kWarn);
  auto options = cache_options(cache);
  if (!options) return complain(options.error().message);
  options->offline = true;
  auto roots = open_roots(options->cache_roots);
  if (!roots) return complain(roots.error().message);
  ViewParts parts(*options, std::move(*roots));
  parts.library.load();
  const Inventory inventory = take_inventory(parts);
  if (json) {
    nlohmann::json all = nlohmann::json::array();
    for (const InventoryItem& item : inventory.items) all.push_back(as_json(item));
    std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("%-52s %-10s %9s %9s  %-8s %s\n", "PATH", "TYPE", "ON DISK", "SIZE", "STATE", "REPO");
  for (const InventoryItem& item : inventory.items) {
    std::printf("%-52s %-10s %9s %9s  %-8s %s%s%s\n", item.path.c_str(), item.type.c_str(), human_size(item.size_on_disk).c_str(),
                human_size(item.size).c_str(), item.state.c_str(), item.repo_id.c_str(),
                item.roots.size() > 1 ? "  (twice: in several cache roots)" : "", item.pinned ? "  (pinned)" : "");
  }
  std::printf("%zu repos, %s on disk\n", inventory.items.size(), human_size(inventory.size_on_disk).c_str());
  return 0;
}

}  // namespace hubfs
