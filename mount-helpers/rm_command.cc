// SPDX-License-Identifier: Apache-2.0
//
// `hubfs rm TARGET`: the same removals as rmdir and rm in a mount, without one. Every kind of target becomes a path of
// the view, so that there is one set of rules; a path below a mount is removed by that mount.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include "core/base/log.h"
#include "core/fetch/fetch_engine.h"
#include "fs/remover.h"
#include "fs/view_parts.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/mountpoints.h"
#include "mount-helpers/rm_in_mount.h"

namespace hubfs {

namespace {

class NoEvents : public FetchEvents {
  void on_published(const FetchTarget& /*target*/) override {}
  void on_changed(const FetchTarget& /*target*/) override {}
  void on_tainted(const FetchTarget& /*target*/) override {}
  void on_cleaned(const RepoKey& /*key*/) override {}
};

std::string hub_path(const RepoKey& key) {
  std::string path = "hub/";
  if (key.type != RepoType::kModel) path += std::string(plural(key.type)) + "/";
  return path + (key.id.org().empty() ? "_" : std::string(key.id.org())) + "/" + std::string(key.id.name());
}

std::optional<std::string> repo_path(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto type = repo_type_from_singular(text.substr(0, slash));
  const auto id = RepoId::parse(text.substr(slash + 1));
  if (!type || !id) return std::nullopt;
  return hub_path({*type, *id});
}

// hf://[models/|datasets/|…]org/name[/path]
std::optional<std::string> hf_url_path(std::string text) {
  if (!text.starts_with("hf://")) return std::nullopt;
  text = text.substr(5);
  RepoType type = RepoType::kModel;
  if (const auto named = repo_type_from_plural(text.substr(0, text.find('/')))) {
    type = *named;
    text = text.substr(text.find('/') + 1);
  }
  const std::size_t first = text.find('/');
  if (first == std::string::npos) return std::nullopt;
  const std::size_t second = text.find('/', first + 1);
  const auto id = RepoId::parse(text.substr(0, second));
  if (!id) return std::nullopt;
  return hub_path({type, *id}) + (second == std::string::npos ? "" : text.substr(second));
}

std::optional<std::string> commit_path(const Library& library, const std::string& text) {
  const auto commit = CommitHash::parse(text);
  if (!commit) return std::nullopt;
  for (const RepoPtr& repo : library.all()) {
    if (repo->commits.contains(*commit)) return hub_path(repo->key) + "@" + text;
  }
  return std::nullopt;
}

std::string plain_path(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

std::string view_path(const Library& library, const std::string& target) {
  if (auto path = hf_url_path(target)) return *path;
  if (auto path = commit_path(library, target)) return *path;
  if (auto path = repo_path(target)) return *path;
  return plain_path(target);
}

// The path below a mounted hubfs that the target is.
std::optional<std::string> path_in_mount(const std::string& target) {
  if (target.starts_with("hf://") || CommitHash::parse(target) || repo_path(target)) return std::nullopt;
  std::string path = absolute_path(target);
  return lies_in_hubfs(path) ? std::optional(std::move(path)) : std::nullopt;
}

struct Found {
  DirSpec parent;
  std::string parent_path;
  std::string name;
  bool is_dir = false;
};

Result<Found> find_place(const View& view, const std::string& path) {
  Found found;
  std::string rest = path;
  Target target;
  target.dir = DirSpec{};
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    if (!found.name.empty()) found.parent_path += (found.parent_path.empty() ? "" : "/") + found.name;
    found.name = rest.substr(0, slash);
    rest = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
    if (!target.dir) return fail(ErrorKind::kNotFound, path + ": no such file in the cache");
    found.parent = *target.dir;
    Lookup next = view.look_up(found.parent, found.parent_path, found.name, false);
    auto* hit = std::get_if<std::optional<Target>>(&next);
    if (hit == nullptr || !*hit) return fail(ErrorKind::kNotFound, path + ": not in the cache; see `hubfs ls`");
    target = std::move(**hit);
  }
  found.is_dir = target.dir.has_value();
  return found;
}

bool confirmed(const std::string& path) {
  std::printf("Remove %s from the cache? [y/N] ", path.c_str());
  std::fflush(stdout);
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

Caller this_user() {
  Caller caller{::geteuid(), {::getegid()}};
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  if (::getgroups(static_cast<int>(groups.size()), groups.data()) > 0) {
    caller.groups.insert(caller.groups.end(), groups.begin(), groups.end());
  }
  return caller;
}

// What removes without a mount; made only when a target needs it, since making it opens the cache.
class CacheRemoval {
 public:
  CacheRemoval(const MountOptions& options, std::vector<CacheRootPtr> roots)
      : parts_(options, std::move(roots)), engine_(parts_.roots.front(), *parts_.loop, parts_.hub, {}, events_) {
    parts_.library.load();
  }
  ~CacheRemoval() {
    remover_.drain();
    if (const Status saved = parts_.memory.flush(); !saved) log::warn("not saved: " + saved.error().message);
  }
  CacheRemoval(const CacheRemoval&) = delete;
  CacheRemoval& operator=(const CacheRemoval&) = delete;

  Status remove(const std::string& target, bool yes) {
    const std::string path = view_path(parts_.library, target);
    const auto found = find_place(parts_.view, path);
    if (!found) return std::unexpected(found.error());
    if (!yes && !confirmed(path)) return {};
    Status removed = found->is_dir ? remover_.rmdir(found->parent, found->parent_path, found->name, caller_)
                                   : remover_.unlink(found->parent, found->name, caller_);
    if (!removed) removed.error().message = path + ": " + removed.error().message;
    return removed;
  }

 private:
  ViewParts parts_;
  NoEvents events_;
  FetchEngine engine_;
  Remover remover_{parts_.view, engine_, [this](const RepoKey& key) {
                     parts_.library.refresh(key);
                     static_cast<void>(parts_.trees.drop(key));
                   }};
  const Caller caller_ = this_user();
};

Result<std::unique_ptr<CacheRemoval>> open_cache(const CacheArguments& cache) {
  auto options = cache_options(cache);
  if (!options) return std::unexpected(options.error());
  options->offline = true;
  auto roots = open_roots(options->cache_roots);
  if (!roots) return std::unexpected(roots.error());
  return std::make_unique<CacheRemoval>(*options, std::move(*roots));
}

}  // namespace

int rm_command(const CacheArguments& cache, const std::vector<std::string>& targets, bool yes) {
  log::to_stderr(log::Level::kWarn);
  if (!yes && ::isatty(0) == 0) return complain("this removes from the cache: say -y where nobody can be asked");
  std::unique_ptr<CacheRemoval> removal;
  int code = 0;
  for (const std::string& target : targets) {
    Status removed;
    if (const auto path = path_in_mount(target)) {
      if (yes || confirmed(*path)) removed = remove_in_mount(*path);
    } else {
      if (!removal) {
        auto opened = open_cache(cache);
        if (!opened) return complain(opened.error().message);
        removal = std::move(*opened);
      }
      removed = removal->remove(target, yes);
    }
    if (!removed) code = complain(removed.error().message);
  }
  return code;
}

}  // namespace hubfs
