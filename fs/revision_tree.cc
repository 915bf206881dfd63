// SPDX-License-Identifier: Apache-2.0
#include "fs/revision_tree.h"

#include <algorithm>

namespace hubfs {

const char* state_name(FileState state) {
  switch (state) {
    case FileState::kCached:
    case FileState::kRealFile: return "cached";
    case FileState::kPartial: return "partial";
    case FileState::kRemote: return "remote";
  }
  return "";
}

bool path_before(std::string_view a, std::string_view b) {
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<unsigned char>(c)) + 1; };
  const std::size_t n = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (a[i] != b[i]) return rank(a[i]) < rank(b[i]);
  }
  return a.size() < b.size();
}

namespace {

// Whether `path` lies in `folder` ("" holds everything).
bool is_below(std::string_view path, std::string_view folder) {
  return folder.empty() || (path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/');
}

// The first component of `path` behind `folder`.
std::string_view child_name(std::string_view path, std::string_view folder) {
  path.remove_prefix(folder.empty() ? 0 : folder.size() + 1);
  return path.substr(0, path.find('/'));
}

}  // namespace

const TreeFile* RevisionTree::file(const std::string& path) const {
  const auto it = std::lower_bound(files_.begin(), files_.end(), path,
                                   [](const TreeFile& f, const std::string& p) { return path_before(f.path, p); });
  if (it == files_.end() || it->path != path) return nullptr;
  const auto index = static_cast<std::size_t>(it - files_.begin());
  return removed_files_[index].load(std::memory_order_acquire) ? nullptr : &*it;
}

bool RevisionTree::has_folder(const std::string& path) const {
  if (path.empty()) return true;
  const auto it = std::lower_bound(folders_.begin(), folders_.end(), path, path_before);
  if (it == folders_.end() || *it != path) return false;
  return !removed_folders_[static_cast<std::size_t>(it - folders_.begin())].load(std::memory_order_acquire);
}

bool RevisionTree::folder_has_cached(const std::string& folder) const {
  auto it = std::lower_bound(files_.begin(), files_.end(), folder + "/",
                             [](const TreeFile& f, const std::string& p) { return path_before(f.path, p); });
  for (; it != files_.end() && is_below(it->path, folder); ++it) {
    if (it->state != FileState::kRemote && !removed_files_[static_cast<std::size_t>(it - files_.begin())].load()) return true;
  }
  return false;
}

std::vector<RevisionTree::Child> RevisionTree::children(const std::string& folder, bool cached_only) const {
  std::vector<Child> found;
  const std::string from = folder.empty() ? std::string() : folder + "/";
  auto file = std::lower_bound(files_.begin(), files_.end(), from,
                               [](const TreeFile& f, const std::string& p) { return path_before(f.path, p); });
  while (file != files_.end() && is_below(file->path, folder)) {
    const std::string_view name = child_name(file->path, folder);
    const std::size_t end = from.size() + name.size();
    if (end < file->path.size()) {
      // A folder: jump over all of it.
      const std::string path = file->path.substr(0, end);
      file = std::find_if(file, files_.end(), [&](const TreeFile& f) { return !is_below(f.path, path); });
      continue;
    }
    const bool removed = removed_files_[static_cast<std::size_t>(file - files_.begin())].load(std::memory_order_acquire);
    const bool shown = !cached_only || file->state != FileState::kRemote;
    if (!removed && shown) found.push_back({std::string(name), &*file});
    ++file;
  }
  auto sub = std::lower_bound(folders_.begin(), folders_.end(), from, path_before);
  for (; sub != folders_.end() && is_below(*sub, folder); ++sub) {
    if (sub->find('/', from.size()) != std::string::npos) continue;
    if (removed_folders_[static_cast<std::size_t>(sub - folders_.begin())].load(std::memory_order_acquire)) continue;
    // An empty folder is there because somebody emptied it: it waits for its rmdir and is listed.
    if (cached_only && !folder_has_cached(*sub) && !children(*sub, false).empty()) continue;
    found.push_back({sub->substr(from.size()), nullptr});
  }
  std::sort(found.begin(), found.end(), [](const Child& a, const Child& b) { return a.name < b.name; });
  return found;
}

std::vector<const TreeFile*> RevisionTree::files() const {
  std::vector<const TreeFile*> found;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (!removed_files_[i].load(std::memory_order_acquire)) found.push_back(&files_[i]);
  }
  return found;
}

void RevisionTree::mark_removed(const std::string& path) const {
  const auto file = std::lower_bound(files_.begin(), files_.end(), path,
                                     [](const TreeFile& f, const std::string& p) { return path_before(f.path, p); });
  if (file != files_.end() && file->path == path) {
    removed_files_[static_cast<std::size_t>(file - files_.begin())].store(true, std::memory_order_release);
  }
  const auto folder = std::lower_bound(folders_.begin(), folders_.end(), path, path_before);
  if (folder != folders_.end() && *folder == path) {
    removed_folders_[static_cast<std::size_t>(folder - folders_.begin())].store(true, std::memory_order_release);
  }
}

}  // namespace hubfs
