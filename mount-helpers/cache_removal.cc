// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/cache_removal.h"

#include <optional>

#include "core/base/log.h"
#include "core/cache/this_process.h"
#include "mount-helpers/removal_target.h"

namespace hubfs {

CacheRemoval::CacheRemoval(const MountOptions& options, std::vector<CacheRootPtr> roots)
    : parts_(options, std::move(roots)),
      engine_(parts_.roots.front(), *parts_.loop, parts_.hub, {}, events_),
      remover_(parts_.view, engine_,
               [this](const RepoKey& key) {
                 parts_.library.refresh(key);
                 static_cast<void>(parts_.trees.drop(key));
               }),
      caller_(this_process()) {
  parts_.library.load();
}

CacheRemoval::~CacheRemoval() {
  remover_.drain();
  if (const Status saved = parts_.memory.flush(); !saved) log::warn("not saved: " + saved.error().message);
}

Result<std::unique_ptr<CacheRemoval>> CacheRemoval::open(const CacheArguments& cache) {
  auto options = cache_options(cache);
  if (!options) return std::unexpected(options.error());
  return open(*std::move(options));
}

Result<std::unique_ptr<CacheRemoval>> CacheRemoval::open(MountOptions options) {
  options.offline = true;
  auto roots = open_roots(options.cache_roots);
  if (!roots) return std::unexpected(roots.error());
  return std::unique_ptr<CacheRemoval>(new CacheRemoval(options, *std::move(roots)));
}

Result<Removal> CacheRemoval::plan(const std::string& target) {
  const auto found = find_target(parts_.library, target);
  if (!found) return std::unexpected(found.error());
  if (!found->key) return plan_place(found->path);
  if (found->commit) return plan_commit(parts_.view, *found->key, *found->commit);
  if (found->path.empty()) return plan_repo(parts_.view, *found->key);
  return plan_file_everywhere(parts_.view, *found->key, found->path);
}

Result<Removal> CacheRemoval::plan_place(const std::string& path) {
  DirSpec parent;
  std::string parent_path;
  std::string name;
  std::string rest = path;
  std::optional<DirSpec> at = DirSpec{};
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    if (!name.empty()) parent_path += (parent_path.empty() ? "" : "/") + name;
    name = rest.substr(0, slash);
    rest = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
    if (!at) return fail(ErrorKind::kNotFound, path + ": no such file in the cache");
    parent = *at;
    Lookup next = parts_.view.look_up(parent, parent_path, name, false);
    const auto* hit = std::get_if<std::optional<Target>>(&next);
    if (hit == nullptr || !*hit) return fail(ErrorKind::kNotFound, path + ": not in the cache; see `hubfs ls`");
    at = (*hit)->dir;
  }
  if (name.empty()) return fail(ErrorKind::kInvalid, "an empty target names nothing");
  return remover_.plan(parent, parent_path, name);
}

std::vector<std::string> CacheRemoval::finish() {
  remover_.drain();
  std::vector<std::string> failed;
  for (const RemovalLedger::Note& note : remover_.ledger().report().failed) {
    failed.push_back(note.what + " is removed, but deleting it failed: " + note.why +
                     "; the next mount or `hubfs gc` goes on with it");
  }
  return failed;
}

}  // namespace hubfs
