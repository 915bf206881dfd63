// SPDX-License-Identifier: Apache-2.0
#include "fs/inventory.h"

#include <algorithm>
#include <set>

namespace hubfs {

namespace {

// Of every file of every commit, each once: a blob that two revisions share occupies its blocks once.
std::uint64_t occupied(const RepoEntry& repo) {
  std::uint64_t blocks = 0;
  std::set<std::pair<dev_t, ino_t>> seen;
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
        if (seen.emplace(st.st_dev, st.st_ino).second) blocks += static_cast<std::uint64_t>(st.st_blocks);
      }
    }
  }
  for (const auto& [etag, partial] : repo.partials) blocks += partial.blocks;
  return blocks * 512;
}

}  // namespace

std::vector<InventoryItem> take_inventory(ViewParts& parts) {
  std::vector<InventoryItem> items;
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
    item.size_on_disk = occupied(*repo);
    const RevisionTreePtr tree = parts.trees.get(repo->key, *repo->default_commit);
    bool whole = true;
    for (const TreeFile* file : tree->files()) {
      item.size += file->size;
      whole = whole && (file->state == FileState::kCached || file->state == FileState::kRealFile);
    }
    item.state = whole ? "cached" : "partial";
    item.pinned = parts.memory.is_pinned(repo->key);
    items.push_back(std::move(item));
  }
  std::sort(items.begin(), items.end(), [](const InventoryItem& a, const InventoryItem& b) { return a.path < b.path; });
  return items;
}

}  // namespace hubfs
