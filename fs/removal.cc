// SPDX-License-Identifier: Apache-2.0
#include "fs/removal.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/cache/layout.h"

namespace hubfs {

namespace {

Removal removal_of(Removal::What what, const RepoKey& key, std::string path = {}) {
  return {.what = what, .key = key, .commits = {}, .path = std::move(path), .etag = {}, .for_good = false, .roots = {}};
}

// Adds what `plan_in` answers for each root; a root without any of it adds nothing.
template <typename Roots, typename PlanIn>
Status add_roots(Removal& removal, const Roots& roots, PlanIn plan_in) {
  for (const CacheRootPtr& root : roots) {
    auto plan = plan_in(*root);
    if (plan) {
      removal.roots.push_back({root, *std::move(plan)});
    } else if (plan.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(plan.error());
    }
  }
  return {};
}

std::unexpected<Error> cannot_be_read(const RepoKey& key) {
  return fail(ErrorKind::kSystem, key.text() + ": a snapshot of it cannot be read now, so nothing of it is removed");
}

std::vector<CacheRootPtr> roots_with(const View& view, const RepoKey& key) {
  std::vector<CacheRootPtr> roots;
  if (const RepoPtr repo = view.library().find(key)) {
    for (const RepoCopy& copy : repo->copies) roots.push_back(copy.root);
  }
  return roots;
}

}  // namespace

std::uint64_t Removal::bytes() const {
  std::uint64_t sum = 0;
  for (const RootRemoval& part : roots) sum += part.plan.bytes;
  return sum;
}

Result<Removal> plan_repo(const View& view, const RepoKey& key) {
  Removal removal = removal_of(Removal::What::kRepo, key);
  const auto added =
      add_roots(removal, view.library().roots(), [&](const CacheRoot& root) { return plan_repo_removal(root, key); });
  if (!added) return std::unexpected(added.error());
  return removal;
}

Result<Removal> plan_commit(const View& view, const RepoKey& key, const CommitHash& commit) {
  const RepoPtr repo = view.library().find(key);
  if (repo && repo->commits.size() == 1 && repo->commits.contains(commit)) return plan_repo(view, key);
  Removal removal = removal_of(Removal::What::kCommit, key);
  removal.commits.push_back(commit);
  const auto added = add_roots(removal, view.library().roots(),
                               [&](const CacheRoot& root) { return plan_commit_removal(root, key, commit); });
  if (!added) return std::unexpected(added.error());
  return removal;
}

Result<Removal> plan_file(const View& view, const DirSpec& dir, const std::string& name, const UsesOf& uses) {
  if (dir.kind != DirSpec::Kind::kRevision) return fail(ErrorKind::kReadOnly, "there are no files to remove here");
  const RevisionTreePtr tree = view.tree_of(dir);
  const std::string text = dir.path.empty() ? name : dir.path + "/" + name;
  const TreeFile* file = tree ? tree->file(text) : nullptr;
  const auto path = RelPath::parse(text);
  if (file == nullptr || !path) return fail(ErrorKind::kNotFound, text + ": no such file");
  const RepoKey& key = *dir.key;
  Removal removal = removal_of(Removal::What::kFile, key, text);
  removal.etag = file->etag;
  for (const CommitHash& commit : view.commits_of(dir)) {
    const RevisionTreePtr other = commit == tree->commit() ? tree : view.trees().get(key, commit);
    if (!other->is_whole()) return cannot_be_read(key);
    const TreeFile* same = other->file(text);
    if (same == nullptr || same->etag != file->etag || (!file->etag && commit != tree->commit())) continue;
    removal.commits.push_back(commit);
  }
  const auto added = add_roots(removal, roots_with(view, key), [&](const CacheRoot& root) {
    return plan_file_removal(root, key, removal.commits, *path, uses ? uses(root) : nullptr);
  });
  if (!added) return std::unexpected(added.error());
  return removal;
}

Result<Removal> plan_file_everywhere(const View& view, const RepoKey& key, const std::string& path) {
  const auto valid = RelPath::parse(path);
  const RepoPtr repo = view.library().find(key);
  if (!valid || !repo) return fail(ErrorKind::kNotFound, key.text() + "/" + path + ": not in the cache; see `hubfs ls`");
  Removal removal = removal_of(Removal::What::kFile, key, path);
  for (const CommitHash& commit : repo->commits) {
    const RevisionTreePtr tree = view.trees().get(key, commit);
    if (!tree->is_whole()) return cannot_be_read(key);
    if (tree->file(path) != nullptr) removal.commits.push_back(commit);
  }
  const auto added = add_roots(removal, roots_with(view, key), [&](const CacheRoot& root) {
    return plan_file_removal(root, key, removal.commits, *valid, nullptr);
  });
  if (!added) return std::unexpected(added.error());
  if (removal.roots.empty()) return fail(ErrorKind::kNotFound, key.text() + "/" + path + ": not in the cache");
  return removal;
}

Result<Removal> plan_folder(const View& view, const DirSpec& folder) {
  const RevisionTreePtr tree = view.tree_of(folder);
  if (!tree || !tree->has_folder(folder.path)) return fail(ErrorKind::kNotFound, folder.path + ": no such directory");
  if (!tree->children(folder.path, false).empty()) return fail(ErrorKind::kNotEmpty, folder.path + " is not empty");
  const RepoKey& key = *folder.key;
  const auto path = RelPath::parse(folder.path);
  if (!path) return fail(ErrorKind::kInvalid, folder.path);
  Removal removal = removal_of(Removal::What::kFolder, key, folder.path);
  for (const CommitHash& commit : view.commits_of(folder)) {
    const RevisionTreePtr other = view.trees().get(key, commit);
    if (!other->is_whole()) return cannot_be_read(key);
    if (!other->has_folder(folder.path) || !other->children(folder.path, false).empty()) continue;
    removal.commits.push_back(commit);
  }
  for (const CacheRootPtr& root : roots_with(view, key)) {
    RemovalPlan plan(key);
    for (const CommitHash& commit : removal.commits) {
      const std::string entry = layout::snapshot_entry(key, commit, *path);
      if (::faccessat(root->fd(), entry.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) plan.entries.push_back({commit, *path});
    }
    removal.roots.push_back({root, std::move(plan)});
  }
  return removal;
}

}  // namespace hubfs
