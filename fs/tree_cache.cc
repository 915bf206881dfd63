// SPDX-License-Identifier: Apache-2.0
#include "fs/tree_cache.h"

#include <algorithm>
#include <chrono>

namespace hubfs {

namespace {

constexpr std::size_t kMaxTrees = 512;

// A repo of which nothing is cached, shown because somebody asked the Hub for it.
RepoPtr uncached_repo(const RepoKey& key, const CommitHash& commit) {
  static const std::int64_t since = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::system_clock::now().time_since_epoch()).count();
  auto repo = std::make_shared<RepoEntry>(RepoEntry{.key = key, .copies = {}, .partials = {}, .refs = {}, .commits = {},
                                                    .first_seen_ns = {{commit, since}}, .default_commit = {}, .hub_folders = {},
                                                    .family = {}, .type = {}, .name = {}});
  return repo;
}

}  // namespace

TreeCache::TreeCache(const Library& library, const Memory& memory, RemoteCatalog& remote, PermissionOptions permissions)
    : library_(library), memory_(memory), remote_(remote), permissions_(permissions) {
  std::vector<Way> ways;
  for (const CacheRootPtr& root : library.roots()) ways.push_back(way_to(root->path()));
  const MutexLock lock(mutex_);
  ways_ = std::make_shared<const std::vector<Way>>(std::move(ways));
}

WaysPtr TreeCache::ways() const {
  const MutexLock lock(mutex_);
  return ways_;
}

bool TreeCache::refresh_ways() {
  const WaysPtr before = ways();
  std::vector<Way> now = *before;
  for (std::size_t i = 0; i < now.size(); ++i) {
    // A root to which no path leads any more keeps the way it had.
    if (auto way = way_to_open(library_.roots()[i]->fd())) now[i] = std::move(*way);
  }
  if (now == *before) return false;
  const MutexLock lock(mutex_);
  ways_ = std::make_shared<const std::vector<Way>>(std::move(now));
  trees_.clear();
  return true;
}

RevisionTreePtr TreeCache::get(const RepoKey& key, const CommitHash& commit) {
  std::uint64_t epoch = 0;
  WaysPtr ways;
  {
    const MutexLock lock(mutex_);
    ways = ways_;
    epoch = epochs_[key];
    const auto it = trees_.find({key, commit});
    if (it != trees_.end()) {
      it->second.used = ++clock_;
      return it->second.tree;
    }
  }
  RepoPtr repo = library_.find(key);
  if (!repo) repo = uncached_repo(key, commit);
  TreeInputs inputs{.repo = repo, .commit = commit, .listing = remote_.known_listing(key, commit), .memory = &memory_,
                    .ways = ways.get(), .roots = &library_.roots(), .permissions = &permissions_};
  RevisionTreePtr tree = RevisionTree::load(inputs);
  const MutexLock lock(mutex_);
  // Changed while it was read: good enough for this caller, not for the next one.
  if (epochs_[key] != epoch || ways != ways_ || !tree->is_whole()) return tree;
  const auto [it, added] = trees_.try_emplace({key, commit}, Item{tree, ++clock_, epoch});
  RevisionTreePtr kept = it->second.tree;
  if (trees_.size() > kMaxTrees) {
    const auto oldest = std::min_element(trees_.begin(), trees_.end(),
                                         [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    trees_.erase(oldest);
  }
  return kept;
}

std::vector<RevisionTreePtr> TreeCache::drop(const RepoKey& key) {
  std::vector<RevisionTreePtr> dropped;
  const MutexLock lock(mutex_);
  ++epochs_[key];
  std::erase_if(trees_, [&](const auto& item) {
    if (item.first.first != key) return false;
    dropped.push_back(item.second.tree);
    return true;
  });
  return dropped;
}

void TreeCache::outdate_loads(const RepoKey& key) {
  const MutexLock lock(mutex_);
  ++epochs_[key];
}

std::vector<RevisionTreePtr> TreeCache::loaded(const RepoKey& key) const {
  std::vector<RevisionTreePtr> found;
  const MutexLock lock(mutex_);
  for (const auto& [id, item] : trees_) {
    if (id.first == key) found.push_back(item.tree);
  }
  return found;
}

}  // namespace hubfs
