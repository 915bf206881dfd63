// SPDX-License-Identifier: Apache-2.0
//
// `hubfs rm TARGET`: the same removals as rmdir and rm in a mount, without one. A path below a mount is removed by that
// mount. The plan that --dry-run prints is the value that is carried out.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/log.h"
#include "mount-helpers/cache_removal.h"
#include "mount-helpers/daemon_report.h"
#include "mount-helpers/mountpoints.h"
#include "mount-helpers/quantities.h"
#include "mount-helpers/removal_target.h"
#include "mount-helpers/removal_text.h"
#include "mount-helpers/rm_in_mount.h"

namespace hubfs {

namespace {

// The path below a mounted hubfs that the target is.
std::optional<std::string> path_in_mount(const std::string& target) {
  if (!may_be_path(target)) return std::nullopt;
  std::string path = absolute_path(target);
  return lies_in_hubfs(path) ? std::optional(std::move(path)) : std::nullopt;
}

bool confirmed(const std::string& question) {
  std::printf("%s [y/N] ", question.c_str());
  std::fflush(stdout);
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

std::string text_of(const Removal& removal) { return removal_text(removal, find_open(freed_files(removal))); }

// The caches of the mount that a path lies in, and the path in its view.
struct PlaceInMount {
  MountOptions options;
  std::string path;
};

Result<PlaceInMount> place_in_mount(const std::string& path) {
  const auto mount = mount_above(path);
  if (!mount) return fail(ErrorKind::kNotFound, path + ": not below a mount");
  const DaemonReport report = ask_daemon(mount->point);
  const auto status = nlohmann::json::parse(report.text, nullptr, false);
  if (!status.is_object()) return fail(ErrorKind::kSystem, mount->point + ": " + report.words);
  PlaceInMount place;
  for (const auto& root : status.value("cache_roots", nlohmann::json::array())) {
    place.options.cache_roots.push_back(root.value("path", ""));
  }
  place.options.endpoint = status.value("endpoint", "");
  place.path = status.value("subtree", "");
  if (path.size() > mount->point.size() + 1) {
    place.path += (place.path.empty() ? "" : "/") + path.substr(mount->point.size() + 1);
  }
  return place;
}

Status show(CacheRemoval& cache, const std::string& target) {
  const auto removal = cache.plan(target);
  if (!removal) return std::unexpected(removal.error());
  std::fputs(text_of(*removal).c_str(), stdout);
  auto allowed = cache.check(*removal);
  if (!allowed) allowed.error().message = "this would be refused: " + allowed.error().message;
  return allowed;
}

Status show_in_mount(const std::string& path) {
  auto place = place_in_mount(path);
  if (!place) return std::unexpected(place.error());
  auto cache = CacheRemoval::open(std::move(place->options));
  return cache ? show(**cache, place->path) : Status(std::unexpected(cache.error()));
}

Status remove(CacheRemoval& cache, const std::string& target, bool yes) {
  const auto removal = cache.plan(target);
  if (!removal) return std::unexpected(removal.error());
  if (!yes) {
    std::fputs(text_of(*removal).c_str(), stdout);
    if (!confirmed("Remove it from the cache?")) return {};
  }
  auto removed = cache.carry_out(*removal);
  if (!removed) removed.error().message = target + ": " + removed.error().message;
  return removed;
}

}  // namespace

int rm_command(const RmArguments& arguments) {
  log::to_stderr(log::Level::kWarn);
  if (!arguments.yes && !arguments.dry_run && ::isatty(0) == 0) {
    return complain("this removes from the cache: say -y where nobody can be asked, or --dry-run to see what would go");
  }
  const auto kept = arguments.trash.empty() ? std::chrono::seconds(0) : parse_duration(arguments.trash);
  if (!kept) return complain("--trash " + arguments.trash + ": not a time, such as 12h or 30d");
  std::unique_ptr<CacheRemoval> cache;
  int code = 0;
  for (const std::string& target : arguments.targets) {
    Status done;
    if (const auto path = path_in_mount(target)) {
      if (kept->count() != 0) {
        done = fail(ErrorKind::kInvalid, *path + ": its mount removes it, and keeps it as its option trash= says; name the model instead (" +
                                             "TYPE/ORG/NAME) to use --trash");
      } else if (arguments.dry_run) {
        done = show_in_mount(*path);
      } else if (arguments.yes || confirmed("Remove " + *path + " from the cache?")) {
        done = remove_in_mount(*path);
      }
    } else {
      if (!cache) {
        auto opened = CacheRemoval::open(arguments.cache);
        if (!opened) return complain(opened.error().message);
        cache = std::move(*opened);
        cache->remover().keep_removed(*kept);
      }
      done = arguments.dry_run ? show(*cache, target) : remove(*cache, target, arguments.yes);
    }
    if (!done) code = complain(done.error().message);
  }
  if (cache) {
    for (const std::string& failure : cache->finish()) code = complain(failure);
  }
  return code;
}

}  // namespace hubfs
