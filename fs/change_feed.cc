// SPDX-License-Identifier: Apache-2.0
#include "fs/change_feed.h"

#include <map>
#include <set>

namespace hubfs {

namespace {

using Kind = DirSpec::Kind;

bool shows_lists(Kind kind) {
  return kind != Kind::kRevision && kind != Kind::kControl;
}

}  // namespace

bool same_node(const Node& node, const Target& target) {
  if (node.dir) return target.dir && *node.dir == *target.dir;
  return !target.dir && node.file_key == file_key(target);
}

std::string file_key(const Target& target) {
  if (!target.control.empty()) return "control/" + target.control;
  const bool complete = target.file->state == FileState::kCached || target.file->state == FileState::kRealFile;
  return target.file->identity + (complete ? "" : "#partial");
}

std::string partial_file_key(const RepoKey& key, const BlobId& etag) { return key.text() + "/" + etag.text() + "#partial"; }

ChangeFeed::ChangeFeed(View& view, InodeTable& inodes, Notifier& notifier, std::string prefix)
    : view_(view), inodes_(inodes), notifier_(notifier), prefix_(std::move(prefix)) {}

std::string ChangeFeed::full_path(NodeId node) const {
  const std::string path = inodes_.path_of(node);
  if (prefix_.empty()) return path;
  return path.empty() ? prefix_ : prefix_ + "/" + path;
}

void ChangeFeed::repo_changed(const RepoKey& key) {
  const MutexLock serial(serial_);
  take_change(key, false);
}

void ChangeFeed::repo_removed(const RepoKey& key) {
  const MutexLock serial(serial_);
  take_change(key, true);
}

void ChangeFeed::take_change(const RepoKey& key, bool removed) {
  const bool moved = view_.library().refresh(key);
  const std::vector<RevisionTreePtr> before = view_.trees().drop(key);
  notifier_.begin_change();
  compare_folders_of(key, before);
  if (moved || removed) compare_shelves(key.type);
}

std::vector<RepoKey> ChangeFeed::list_changed() {
  const MutexLock serial(serial_);
  std::set<RepoType> types;
  std::vector<RepoKey> changed = view_.library().refresh_list();
  for (const RepoKey& key : changed) {
    types.insert(key.type);
    const std::vector<RevisionTreePtr> before = view_.trees().drop(key);
    notifier_.begin_change();
    compare_folders_of(key, before);
  }
  for (const RepoType type : types) compare_shelves(type);
  return changed;
}

void ChangeFeed::check_permissions() {
  const MutexLock serial(serial_);
  if (!view_.trees().refresh_ways()) return;
  for (const NodePtr& dir : inodes_.directories()) {
    notifier_.attributes_changed(dir->id);
    for (const auto& [name, node] : inodes_.known_children(dir->id)) {
      if (!node->dir) notifier_.attributes_changed(node->id);
    }
  }
}

void ChangeFeed::compare_folders_of(const RepoKey& key, const std::vector<RevisionTreePtr>& before) {
  for (const NodePtr& dir : inodes_.directories()) {
    if (dir->dir->kind == Kind::kRevision && dir->dir->key == key) compare_revision(dir, before);
  }
}

void ChangeFeed::compare_shelves(RepoType type) {
  for (const NodePtr& dir : inodes_.directories()) {
    if (!shows_lists(dir->dir->kind)) continue;
    if (dir->dir->kind != Kind::kRoot && dir->dir->kind != Kind::kHub && dir->dir->type != type) continue;
    compare_plain(dir);
  }
}

bool ChangeFeed::compare_known_children(const NodePtr& dir, const std::string& path) {
  bool different = false;
  for (const auto& [name, node] : inodes_.known_children(dir->id)) {
    const Lookup found = view_.look_up(*dir->dir, path, name, false);
    const auto* target = std::get_if<std::optional<Target>>(&found);
    if (target != nullptr && *target && same_node(*node, **target)) {
      // Same node: its size on disk or its permissions may still be others.
      notifier_.attributes_changed(node->id);
      continue;
    }
    inodes_.drop_name({dir->id, name});
    notifier_.name_changed(dir->id, name);
    different = true;
  }
  return different;
}

void ChangeFeed::compare_plain(const NodePtr& dir) {
  const std::string path = full_path(dir->id);
  compare_known_children(dir, path);
  std::set<std::string> known;
  for (const auto& [name, node] : inodes_.known_children(dir->id)) known.insert(name);
  const ReadDir listed = view_.list(*dir->dir, path, false);
  if (const auto* children = std::get_if<std::vector<Listed>>(&listed)) {
    for (const Listed& child : *children) {
      // A negative entry may be cached for it.
      if (!known.contains(child.name)) notifier_.name_changed(dir->id, child.name);
    }
  }
  notifier_.listing_changed(dir->id);
}

void ChangeFeed::compare_revision(const NodePtr& dir, const std::vector<RevisionTreePtr>& before) {
  const std::string path = full_path(dir->id);
  compare_known_children(dir, path);
  // The names that the kernel may hold as "not there": those that are new against the tree it saw, which may have been that
  // of another commit.
  std::map<std::string, std::size_t> trees_with;
  for (const RevisionTreePtr& tree : before) {
    for (const RevisionTree::Child& child : tree->children(dir->dir->path, false)) ++trees_with[child.name];
  }
  if (const RevisionTreePtr tree = view_.tree_of(*dir->dir)) {
    for (const RevisionTree::Child& child : tree->children(dir->dir->path, false)) {
      const auto known = trees_with.find(child.name);
      if (known == trees_with.end() || known->second < before.size()) notifier_.name_changed(dir->id, child.name);
    }
  }
  notifier_.listing_changed(dir->id);
}

}  // namespace hubfs
