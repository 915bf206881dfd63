// SPDX-License-Identifier: Apache-2.0
//
// What could be collected beside the repos: in the root, the shared store and hubfs's private state. Reads only.
#include <set>
#include <string>
#include <utility>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/garbage_parts.h"
#include "core/cache/garbage_rules.h"
#include "core/cache/kept.h"
#include "core/cache/layout.h"
#include "core/cache/partial_file.h"
#include "core/cache/shared_store.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr const char* kYoung = "too young: a client may be about to use it";
constexpr std::string_view kStagedPrefix = ".staged.";
constexpr std::string_view kProbePrefix = ".probe.";

bool is_own_leftover(std::string_view name) {
  for (const std::string_view prefix : {kStagedPrefix, kProbePrefix}) {
    if (name.starts_with(prefix) && is_lower_hex(name.substr(prefix.size()), 8)) return true;
  }
  return is_leftover_name(name);
}

class RootGarbage {
 public:
  RootGarbage(const CacheRoot& root, const GarbageOptions& options, GarbagePlan& plan)
      : root_(root), options_(options), plan_(plan) {}

  void look() {
    probe_folders();
    // Without the marker the folder is somebody's own.
    if (has_shared_store(root_)) store();
    state();
  }

 private:
  void consider(GarbageKind kind, bool in_state, const std::string& path, const struct stat& st, std::uint64_t bytes,
                std::string why) {
    if (is_old(st, options_)) {
      plan_.items.push_back({kind, std::nullopt, in_state, path, bytes, std::move(why)});
    } else {
      plan_.left.push_back({path, kYoung});
    }
  }

  void probe_folders() {
    const auto names = read_dir(root_.fd());
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      const auto st = lstat_at(root_.fd(), name.name);
      if (name.kind != NameKind::kFolder || !st || !is_probe_folder(root_.fd(), name.name)) continue;
      consider(GarbageKind::kProbeFolder, false, name.name, *st, 0, "a client's test for links");
    }
  }

  void store() {
    kept_payloads_ = payloads_of_kept(root_);
    const std::string store(layout::kSharedStore);
    const auto names = read_dir_at(root_.fd(), store);
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      const std::string path = store + "/" + name.name;
      if (name.kind == NameKind::kFile) {
        leftover(path, name.name);
      } else if (name.kind == NameKind::kFolder && is_lower_hex(name.name, 2)) {
        payloads(path);
      }
    }
  }

  void leftover(const std::string& path, const std::string& name) {
    const auto st = lstat_at(root_.fd(), path);
    if (!st || !is_leftover_name(name)) return;
    consider(GarbageKind::kTemporary, false, path, *st, bytes_of_name(*st), "an unfinished write");
  }

  void payloads(const std::string& folder) {
    const auto names = read_dir_at(root_.fd(), folder);
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      const std::string path = folder + "/" + name.name;
      const auto hash = layout::parse_payload_path(path);
      if (!hash) {
        leftover(path, name.name);
        continue;
      }
      const auto st = stat_payload(root_, *hash);
      if (!st) continue;
      const auto references = valid_references(root_, *hash);
      if (!references) {
        plan_.left.push_back({path, "its references cannot be told"});
      } else if (references->empty() && kept_payloads_.contains(*hash)) {
        plan_.left.push_back({path, "something removed that is kept needs it"});
      } else if (references->empty()) {
        consider(GarbageKind::kPayload, false, path, *st, bytes_of_name(*st), "no repo refers to it");
      }
    }
  }

  void state() {
    const auto names = read_dir(root_.state_fd());
    for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
      if (name.kind == NameKind::kFile) own_leftover(name.name);
    }
    const auto trash = read_dir_at(root_.state_fd(), state::kTrash);
    for (const NameInDir& name : trash ? *trash : std::vector<NameInDir>{}) {
      const std::string path = std::string(state::kTrash) + "/" + name.name;
      plan_.items.push_back({GarbageKind::kTrash, std::nullopt, true, path, bytes_of_tree(root_.state_fd(), path),
                             "removed, not yet deleted"});
    }
    std::vector<std::string> problems;
    for (const KeptInfo& info : list_kept(root_, &problems)) {
      if (info.deadline_s > options_.now_s) continue;
      plan_.items.push_back({GarbageKind::kKept, std::nullopt, true, std::string(state::kKept) + "/" + info.id,
                             info.bytes, info.key.text() + " was removed, and was kept long enough"});
    }
    for (const std::string& problem : problems) plan_.left.push_back({state::kKept, problem});
    const auto listings = read_dir_at(root_.state_fd(), state::kListings);
    for (const NameInDir& folder : listings ? *listings : std::vector<NameInDir>{}) {
      const std::string path = std::string(state::kListings) + "/" + folder.name;
      const auto files = folder.kind == NameKind::kFolder ? read_dir_at(root_.state_fd(), path)
                                                          : Result<std::vector<NameInDir>>(std::vector<NameInDir>{});
      for (const NameInDir& file : files ? *files : std::vector<NameInDir>{}) own_leftover(path + "/" + file.name);
    }
    for (const PartialLeftover& partial : partial_leftovers(root_)) {
      plan_.items.push_back({GarbageKind::kPartial, partial.key, true, partial.path, partial.bytes,
                             "a download that no mount can go on with"});
    }
  }

  void own_leftover(const std::string& path) {
    const auto st = lstat_at(root_.state_fd(), path);
    if (!st || !is_own_leftover(base_of(path))) return;
    consider(GarbageKind::kTemporary, true, path, *st, bytes_of_name(*st), "an unfinished write of hubfs's own");
  }

  const CacheRoot& root_;
  const GarbageOptions& options_;
  GarbagePlan& plan_;
  std::set<XetHash> kept_payloads_;
};

}  // namespace

void plan_root_garbage(const CacheRoot& root, const GarbageOptions& options, GarbagePlan& plan) {
  RootGarbage(root, options, plan).look();
}

}  // namespace hubfs
