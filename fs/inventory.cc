// SPDX-License-Identifier: Apache-2.0
#include "fs/inventory.h"

#include <algorithm>
#include <map>
#include <set>

namespace hubfs {

namespace {

constexpr std::uint64_t kBlock = 512;

using Identity = std::pair<dev_t, ino_t>;

// Blocks of every file of every commit, each once: a blob that two revisions share occupies its blocks once.
std::map<Identity, std::uint64_t> blocks_of_files(const RepoEntry& repo) {
  std::map<Identity, std::uint64_t> blocks;
  for (const RepoCopy& copy : repo.copies) {
    for (const CommitOnDisk& commit : copy.disk.commits) {
      const auto entries = scan_snapshot(*copy.root, repo.key, commit.commit, nullptr);
      if (!entries) continue;
      for (const SnapshotEntry& entry : *entries) {
        struct stat st = entry.st;
        if (entry.form == EntryForm::kBlob) {
          const auto blob = stat_blob(*copy.root, repo.key, *entry.etag);
          if (!blob || blob->form == BlobForm::kAbsent) continue;
          st = blob->st;
        } else if (entry.form != EntryForm::kRealFile) {
          continue;
        }
        blocks.emplace(Identity{st.st_dev, st.st_ino}, static_cast<std::uint64_t>(st.st_blocks));
      }
    }
  }
  return blocks;
}

std::uint64_t blocks_of_partials(const RepoEntry& repo) {
  std::uint64_t blocks = 0;
  for (const auto& [etag, partial] : repo.partials) blocks += partial.blocks;
  return blocks;
}

}  // namespace

Inventory take_inventory(ViewParts& parts) {
  Inventory inventory;
  std::set<Identity> seen;
  for (const RepoPtr& repo : parts.library.all()) {
    if (!repo->default_commit) continue;
    InventoryItem item;
    item.repo_id = repo->key.id.text();
    item.repo_type = singular(repo->key.type);
    item.family = repo->family;
    item.type = repo->type;
    item.name = repo->name;
    item.path = std::string(plural(repo->key.type)) + "/" + (repo->key.type == RepoType::kModel ? repo->family + "/" : "") + repo->name;
    item.commit = repo->default_commit->text();
    for (const auto& [ref, commit] : repo->refs) item.refs.push_back(ref.text());
    for (const RepoCopy& copy : repo->copies) item.roots.push_back(copy.root->path());
    const std::uint64_t partials = blocks_of_partials(*repo);
    item.size_on_disk = partials * kBlock;
    inventory.size_on_disk += partials * kBlock;
    for (const auto& [file, blocks] : blocks_of_files(*repo)) {
      item.size_on_disk += blocks * kBlock;
      if (seen.insert(file).second) inventory.size_on_disk += blocks * kBlock;
    }
    const RevisionTreePtr tree = parts.trees.get(repo->key, *repo->default_commit);
    bool whole = true;
    for (const TreeFile* file : tree->files()) {
      item.size += file->size;
      whole = whole && (file->state == FileState::kCached || file->state == FileState::kRealFile);
    }
    item.state = whole ? "cached" : "partial";
    item.pinned = parts.memory.is_pinned(repo->key);
    inventory.items.push_back(std::move(item));
  }
  std::sort(inventory.items.begin(), inventory.items.end(),
            [](const InventoryItem& a, const InventoryItem& b) { return a.path < b.path; });
  return inventory;
}

}  // namespace hubfs
