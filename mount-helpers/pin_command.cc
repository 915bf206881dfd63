// SPDX-License-Identifier: Apache-2.0
//
// `hubfs pin`: what `setfattr -n user.hubfs.pinned` does, also without a mount.
#include <sys/xattr.h>

#include <cstdio>

#include "core/base/log.h"
#include "fs/view_parts.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/mountpoints.h"
#include "mount-helpers/removal_target.h"
#include "mount-helpers/rm_in_mount.h"

namespace hubfs {

namespace {

Status pin_in_mount(const std::string& path, bool pinned) {
  if (::setxattr(path.c_str(), "user.hubfs.pinned", pinned ? "1" : "0", 1, 0) == 0) return {};
  return fail_errno(path);
}

// The repo that a target names or lies in.
Result<RepoKey> repo_of(ViewParts& parts, const std::string& target) {
  const auto found = find_target(parts.library, target);
  if (!found) return std::unexpected(found.error());
  if (found->key) return *found->key;
  std::string done;
  std::string rest = found->path;
  DirSpec at;
  while (!rest.empty()) {
    const std::string name = rest.substr(0, rest.find('/'));
    rest = name.size() == rest.size() ? std::string() : rest.substr(name.size() + 1);
    Lookup next = parts.view.look_up(at, done, name, false);
    const auto* hit = std::get_if<std::optional<Target>>(&next);
    if (hit == nullptr || !*hit || !(*hit)->dir) break;
    at = *(*hit)->dir;
    if (at.key && parts.library.find(*at.key)) return *at.key;
    done += (done.empty() ? "" : "/") + name;
  }
  return fail(ErrorKind::kNotFound, target + ": not a cached model; see `hubfs ls`");
}

Status pin_in_cache(ViewParts& parts, const std::string& target, bool pinned) {
  const auto key = repo_of(parts, target);
  if (!key) return std::unexpected(key.error());
  if (!parts.roots.front()->has_state()) {
    return fail(ErrorKind::kAccessDenied, parts.roots.front()->path() + ": this cache cannot be written, so a pin cannot be kept");
  }
  return parts.memory.change([&](RememberedRepos& repos) { repos[key->text()].pinned = pinned; });
}

}  // namespace

int pin_command(const PinArguments& arguments) {
  log::to_stderr(log::Level::kWarn);
  auto options = cache_options(arguments.cache);
  if (!options) return complain(options.error().message);
  options->offline = true;
  auto roots = open_roots(options->cache_roots);
  if (!roots) return complain(roots.error().message);
  ViewParts parts(*options, *std::move(roots));
  parts.library.load();
  if (arguments.list) {
    for (const RepoPtr& repo : parts.library.all()) {
      if (parts.memory.is_pinned(repo->key)) std::printf("%s\n", repo->key.text().c_str());
    }
    return 0;
  }
  if (arguments.targets.empty()) return complain("name what is to be pinned, or say --list");
  int code = 0;
  for (const std::string& target : arguments.targets) {
    const std::string path = may_be_path(target) ? absolute_path(target) : std::string();
    const Status done = !path.empty() && lies_in_hubfs(path) ? pin_in_mount(path, !arguments.remove)
                                                             : pin_in_cache(parts, target, !arguments.remove);
    if (!done) code = complain(done.error().message);
  }
  return code;
}

}  // namespace hubfs
