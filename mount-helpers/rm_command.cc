// SPDX-License-Identifier: Apache-2.0
//
// `hubfs rm TARGET`: the same removals as rmdir and rm in a mount, without one. Every kind of target becomes a path of
// the view, so that there is one set of rules.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>

#include "core/base/log.h"
#include "core/fetch/fetch_engine.h"
#include "fs/remover.h"
#include "fs/view_parts.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/mountpoints.h"

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

// A path below a mounted hubfs, or a path as the view has it.
std::string plain_path(const std::string& text) {
  const std::string full = absolute_path(text);
  for (const std::string& point : hubfs_mountpoints()) {
    if (full.starts_with(point + "/")) return full.substr(point.size() + 1);
  }
  std::string path = text;
  while (path.ends_with('/')) path.pop_back();
  return path;
}

std::string view_path(const Library& library, const std::string& target) {
  if (auto path = hf_url_path(target)) return *path;
  if (auto path = commit_path(library, target)) return *path;
  if (auto path = repo_path(target)) return *path;
  return plain_path(target);
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

}  // namespace

int rm_command(const CacheArguments& cache, const std::vector<std::string>& targets, bool yes) {
  log::to_stderr(log::Level::kWarn);
  auto options = cache_options(cache);
  if (!options) return complain(options.error().message);
  if (!yes && ::isatty(0) == 0) return complain("this removes from the cache: say -y where nobody can be asked");
  options->offline = true;
  auto roots = open_roots(options->cache_roots);
  if (!roots) return complain(roots.error().message);
  ViewParts parts(*options, std::move(*roots));
  parts.library.load();
  NoEvents events;
  FetchEngine engine(parts.roots.front(), *parts.loop, parts.hub, {}, events);
  Remover remover(parts.view, engine, [&](const RepoKey& key) {
    parts.library.refresh(key);
    static_cast<void>(parts.trees.drop(key));
  });
  Caller caller{::geteuid(), {::getegid()}};
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  if (::getgroups(static_cast<int>(groups.size()), groups.data()) > 0) {
    caller.groups.insert(caller.groups.end(), groups.begin(), groups.end());
  }
  int code = 0;
  for (const std::string& target : targets) {
    const std::string path = view_path(parts.library, target);
    const auto found = find_place(parts.view, path);
    if (!found) {
      code = complain(found.error().message);
      continue;
    }
    if (!yes && !confirmed(path)) continue;
    const Status removed = found->is_dir ? remover.rmdir(found->parent, found->parent_path, found->name, caller)
                                         : remover.unlink(found->parent, found->name, caller);
    if (!removed) code = complain(path + ": " + removed.error().message);
  }
  remover.drain();
  if (const Status saved = parts.memory.flush(); !saved) log::warn("not saved: " + saved.error().message);
  return code;
}

}  // namespace hubfs
