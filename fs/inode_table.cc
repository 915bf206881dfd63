// SPDX-License-Identifier: Apache-2.0
#include "fs/inode_table.h"

#include <algorithm>
#include <utility>

namespace hubfs {

InodeTable::InodeTable(DirSpec root) {
  const MutexLock lock(mutex_);
  Slot slot;
  slot.node = std::make_shared<Node>(Node{kRootNode, std::move(root), {}});
  slot.lookups = 1;
  nodes_.emplace(kRootNode, std::move(slot));
}

NodePtr InodeTable::find(NodeId id) const {
  const MutexLock lock(mutex_);
  const auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : it->second.node;
}

void InodeTable::drop_name_locked(const Dentry& name) {
  const auto it = names_.find(name);
  if (it == names_.end()) return;
  if (const auto node = nodes_.find(it->second); node != nodes_.end()) std::erase(node->second.names, name);
  names_.erase(it);
  if (const auto names = children_.find(name.parent); names != children_.end()) {
    names->second.erase(name.name);
    if (names->second.empty()) children_.erase(names);
  }
}

void InodeTable::set_name_locked(const Dentry& name, NodeId id) {
  const auto it = names_.find(name);
  if (it != names_.end()) {
    if (it->second == id) return;
    drop_name_locked(name);
  }
  names_[name] = id;
  children_[name.parent].insert(name.name);
  nodes_[id].names.push_back(name);
}

NodePtr InodeTable::look_up_dir(const Dentry& name, const DirSpec& spec) {
  const MutexLock lock(mutex_);
  if (const auto it = names_.find(name); it != names_.end()) {
    Slot& slot = nodes_[it->second];
    if (slot.node->dir == spec) {
      ++slot.lookups;
      return slot.node;
    }
  }
  const NodeId id = next_++;
  Slot slot;
  slot.node = std::make_shared<Node>(Node{id, spec, {}});
  slot.lookups = 1;
  NodePtr node = slot.node;
  nodes_.emplace(id, std::move(slot));
  set_name_locked(name, id);
  return node;
}

NodePtr InodeTable::look_up_file(const Dentry& name, const std::string& file_key) {
  const MutexLock lock(mutex_);
  NodeId id = 0;
  if (const auto it = files_.find(file_key); it != files_.end()) {
    id = it->second;
  } else {
    id = next_++;
    Slot slot;
    slot.node = std::make_shared<Node>(Node{id, std::nullopt, file_key});
    nodes_.emplace(id, std::move(slot));
    files_.emplace(file_key, id);
  }
  ++nodes_[id].lookups;
  set_name_locked(name, id);
  return nodes_[id].node;
}

void InodeTable::forget(NodeId id, std::uint64_t lookups) {
  const MutexLock lock(mutex_);
  const auto it = nodes_.find(id);
  if (it == nodes_.end() || id == kRootNode) return;
  it->second.lookups -= std::min(it->second.lookups, lookups);
  if (it->second.lookups > 0) return;
  const std::vector<Dentry> names = it->second.names;
  for (const Dentry& name : names) drop_name_locked(name);
  if (!it->second.node->file_key.empty()) {
    const auto file = files_.find(it->second.node->file_key);
    if (file != files_.end() && file->second == id) files_.erase(file);
  }
  nodes_.erase(id);
}

void InodeTable::drop_name(const Dentry& name) {
  const MutexLock lock(mutex_);
  drop_name_locked(name);
}

bool InodeTable::same_content(NodeId id, std::uint64_t version) {
  const MutexLock lock(mutex_);
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) return false;
  const std::uint64_t before = std::exchange(it->second.content, version);
  return before == 0 || before == version;
}

std::optional<NodeId> InodeTable::find_file(const std::string& file_key) const {
  const MutexLock lock(mutex_);
  const auto it = files_.find(file_key);
  return it == files_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<Dentry> InodeTable::names_of(NodeId id) const {
  const MutexLock lock(mutex_);
  const auto it = nodes_.find(id);
  return it == nodes_.end() ? std::vector<Dentry>{} : it->second.names;
}

NodePtr InodeTable::known(const Dentry& name) const {
  const MutexLock lock(mutex_);
  const auto it = names_.find(name);
  if (it == names_.end()) return nullptr;
  const auto node = nodes_.find(it->second);
  return node == nodes_.end() ? nullptr : node->second.node;
}

std::vector<NodePtr> InodeTable::directories() const {
  const MutexLock lock(mutex_);
  std::vector<NodePtr> found;
  for (const auto& [id, slot] : nodes_) {
    if (slot.node->dir) found.push_back(slot.node);
  }
  return found;
}

std::vector<std::pair<std::string, NodePtr>> InodeTable::known_children(NodeId parent) const {
  const MutexLock lock(mutex_);
  std::vector<std::pair<std::string, NodePtr>> found;
  const auto names = children_.find(parent);
  if (names == children_.end()) return found;
  for (const std::string& name : names->second) {
    const auto it = names_.find(Dentry{parent, name});
    if (it == names_.end()) continue;
    if (const auto node = nodes_.find(it->second); node != nodes_.end()) found.emplace_back(name, node->second.node);
  }
  return found;
}

std::string InodeTable::path_of(NodeId id) const {
  const MutexLock lock(mutex_);
  std::string path;
  while (id != kRootNode) {
    const auto it = nodes_.find(id);
    if (it == nodes_.end() || it->second.names.empty()) return "?/" + path;
    const Dentry& name = it->second.names.front();
    path = path.empty() ? name.name : name.name + "/" + path;
    id = name.parent;
  }
  return path;
}

std::size_t InodeTable::size() const {
  const MutexLock lock(mutex_);
  return nodes_.size();
}

}  // namespace hubfs
