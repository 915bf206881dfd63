// SPDX-License-Identifier: Apache-2.0
//
// `hubfs gc`: collects in all roots what nobody needs. Needs no mount; mounts and other clients may be at work.
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/cache/garbage.h"
#include "core/catalog/memory.h"
#include "fs/view_parts.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/quantities.h"

namespace hubfs {

namespace {

// What one root's collection found and did.
struct Collected {
  CacheRootPtr root;
  std::vector<GarbageItem> items;
  std::vector<GarbageLeft> left;
  std::vector<std::string> failures;
  std::uint64_t bytes = 0;
};

Result<Collected> collect_in(const CacheRootPtr& root, const GarbageOptions& options, bool dry_run) {
  auto plan = plan_garbage(*root, options);
  if (!plan) return std::unexpected(plan.error());
  if (dry_run) {
    const std::uint64_t bytes = plan->bytes();
    return Collected{root, std::move(plan->items), std::move(plan->left), {}, bytes};
  }
  GarbageResult result = apply_garbage(*root, *plan, options);
  Collected collected{root, std::move(result.removed), std::move(plan->left), std::move(result.failures), result.bytes};
  collected.left.insert(collected.left.end(), result.left.begin(), result.left.end());
  return collected;
}

nlohmann::json as_json(const Collected& collected) {
  nlohmann::json items = nlohmann::json::array();
  for (const GarbageItem& item : collected.items) {
    items.push_back({{"path", item.path},
                     {"in_state", item.in_state},
                     {"kind", name_of(item.kind)},
                     {"bytes", item.bytes},
                     {"why", item.why}});
    if (item.repo) items.back()["repo"] = item.repo->text();
  }
  nlohmann::json left = nlohmann::json::array();
  for (const GarbageLeft& one : collected.left) left.push_back({{"path", one.path}, {"why", one.why}});
  return {{"cache", collected.root->path()},
          {"bytes", collected.bytes},
          {"items", items},
          {"left", left},
          {"failures", collected.failures}};
}

void print(const Collected& collected, bool dry_run) {
  for (const GarbageItem& item : collected.items) {
    const std::string& folder = item.in_state ? collected.root->state_path() : collected.root->path();
    std::printf("%s %s/%s  %s, %llu bytes: %s\n", dry_run ? "would remove" : "removed", folder.c_str(),
                item.path.c_str(), std::string(name_of(item.kind)).c_str(), static_cast<unsigned long long>(item.bytes),
                item.why.c_str());
  }
  for (const GarbageLeft& one : collected.left) {
    std::printf("left %s/%s: %s\n", collected.root->path().c_str(), one.path.c_str(), one.why.c_str());
  }
}

}  // namespace

int gc_command(const GcArguments& arguments) {
  log::to_stderr(log::Level::kWarn);
  GarbageOptions options;
  options.now_s = std::time(nullptr);
  if (!arguments.min_age.empty()) {
    const auto age = parse_duration(arguments.min_age);
    if (!age) return complain("--min-age " + arguments.min_age + ": not a time, such as 90s, 12h or 30d");
    options.min_age_s = age->count();
  }
  options.refs = arguments.refs;
  const auto settings = cache_options(arguments.cache);
  if (!settings) return complain(settings.error().message);
  const auto roots = open_roots(settings->cache_roots);
  if (!roots) return complain(roots.error().message);
  Memory memory(roots->front());
  options.is_pinned = [&](const RepoKey& key) { return memory.is_pinned_now(key); };
  int code = 0;
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  nlohmann::json caches = nlohmann::json::array();
  for (const CacheRootPtr& root : *roots) {
    const auto collected = collect_in(root, options, arguments.dry_run);
    if (!collected) {
      code = complain(collected.error().message);
      continue;
    }
    bytes += collected->bytes;
    count += collected->items.size();
    if (arguments.json) {
      caches.push_back(as_json(*collected));
    } else {
      print(*collected, arguments.dry_run);
    }
    for (const std::string& failure : collected->failures) code = complain(failure);
  }
  if (arguments.json) {
    const nlohmann::json all{{"dry_run", arguments.dry_run}, {"bytes", bytes}, {"caches", caches}};
    std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::printf("%zu things, %llu bytes%s\n", count, static_cast<unsigned long long>(bytes),
                arguments.dry_run ? " would be given back" : " given back");
  }
  return code;
}

}  // namespace hubfs
