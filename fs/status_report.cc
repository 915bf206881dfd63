// SPDX-License-Identifier: Apache-2.0
#include "fs/status_report.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/cache/kept.h"
#include "fs/fuse_context.h"
#include "fs/space_keeper.h"

namespace hubfs {

namespace {

nlohmann::json notes(const std::vector<RemovalLedger::Note>& all) {
  nlohmann::json list = nlohmann::json::array();
  for (const RemovalLedger::Note& note : all) list.push_back({{"what", note.what}, {"why", note.why}});
  return list;
}

nlohmann::json removals(const FuseContext& context) {
  const RemovalLedger::Report report = context.remover.ledger().report();
  return {{"given_back", report.given_back},
          {"pending", report.pending},
          {"held_open_by", report.holders},
          {"failed", notes(report.failed)},
          {"refused", notes(report.refused)}};
}

}  // namespace

std::string status_report(const FuseContext& context) {
  nlohmann::json roots = nlohmann::json::array();
  for (const CacheRootPtr& root : context.view.library().roots()) {
    roots.push_back({{"path", root->path()}, {"writable", root->has_state()}, {"state", root->state_path()}, {"there", root->still_there()},
                     {"problem", root->has_state() && root->still_there() ? std::string() : root->no_state().message}});
  }
  std::uint64_t kept_bytes = 0;
  std::size_t kept_records = 0;
  for (const CacheRootPtr& root : context.view.library().roots()) {
    for (const KeptInfo& info : list_kept(*root)) {
      kept_bytes += info.bytes;
      ++kept_records;
    }
  }
  const FetchStatus fetch = context.engine.status();
  nlohmann::json downloads = nlohmann::json::array();
  for (const FetchStatus::File& file : fetch.active) {
    nlohmann::json item{{"repo", file.repo}, {"path", file.path}, {"size", file.size}, {"present", file.present}};
    if (!file.error.empty()) item["error"] = file.error;
    downloads.push_back(std::move(item));
  }
  nlohmann::json space{{"quota", context.options.quota}, {"min_free", context.options.min_free}};
  if (context.space != nullptr) {
    const SpaceKeeper::Report room = context.space->report();
    space.update({{"occupied", room.occupied}, {"evicted", room.evicted}, {"evicted_bytes", room.evicted_bytes}, {"last", room.last},
                  {"processes_not_seen", room.unseen}});
  }
  const nlohmann::json report{
      {"version", HUBFS_VERSION},
      {"pid", ::getpid()},
      {"mountpoint", context.options.mountpoint},
      {"endpoint", context.options.endpoint},
      {"offline", context.options.offline},
      {"passthrough", context.passthrough.load()},
      {"passthrough_opens", context.passthrough_opens.load()},
      {"cached_opens", context.cached_opens.load()},
      {"follows_changes", context.followed.load() ? "events" : "polling"},
      {"repos", context.view.library().all().size()},
      {"nodes", context.inodes.size()},
      {"open_files", context.open_files.size()},
      {"parked_requests", context.parked.size()},
      {"cache_roots", roots},
      {"subtree", context.options.subtree},
      {"kept", {{"bytes", kept_bytes}, {"records", kept_records}}},
      {"downloads", downloads},
      {"removals", removals(context)},
      {"space", space},
      {"last_error", fetch.last_error},
      {"last_refusal", context.view.remote().last_refusal()},
      {"problems", context.view.library().problems()},
  };
  return report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace hubfs
