// SPDX-License-Identifier: Apache-2.0
//
// How a RevisionTree comes about: snapshots of all roots first, then the listing, then partials; what `rm` hid is left out.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include <dirent.h>
#include <fcntl.h>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "fs/revision_tree.h"

namespace hubfs {

namespace {

std::int64_t to_ns(const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

std::size_t root_index(const std::vector<CacheRootPtr>& roots, const CacheRootPtr& root) {
  return static_cast<std::size_t>(std::find(roots.begin(), roots.end(), root) - roots.begin());
}

// Folders of a snapshot, also empty ones (a folder that somebody emptied stays until its rmdir). Real folders only.
void collect_folders(int dir_fd, const std::string& prefix, std::set<std::string>& into, int depth) {
  constexpr int kMaxDepth = 128;
  if (depth > kMaxDepth) return;
  UniqueFd copy(::fcntl(dir_fd, F_DUPFD_CLOEXEC, 0));
  DIR* dir = copy ? ::fdopendir(copy.get()) : nullptr;
  if (dir == nullptr) return;
  static_cast<void>(copy.release());
  ::rewinddir(dir);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) names.push_back(name);
  }
  for (const std::string& name : names) {
    const auto sub = open_at(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!sub) continue;
    const std::string path = prefix.empty() ? name : prefix + "/" + name;
    into.insert(path);
    collect_folders(sub->get(), path, into, depth + 1);
  }
  ::closedir(dir);
}

}  // namespace

class TreeBuilder {
 public:
  explicit TreeBuilder(const TreeInputs& inputs)
      : in_(inputs), tree_(new RevisionTree(inputs.repo, inputs.commit)) {}

  std::shared_ptr<const RevisionTree> build() {
    tree_->listing_ = in_.listing;
    const auto seen = in_.repo->first_seen_ns.find(in_.commit);
    tree_->first_seen_ns_ = seen == in_.repo->first_seen_ns.end() ? 0 : seen->second;
    set_folder_permission();
    for (std::size_t i = 0; i < in_.repo->copies.size(); ++i) add_snapshot(static_cast<int>(i));
    if (in_.listing) add_listing();
    add_unlisted_partials();
    note_first_seen();
    finish();
    return std::shared_ptr<const RevisionTree>(tree_);
  }

 private:
  [[nodiscard]] const Way& way_of(std::size_t copy) const {
    return (*in_.ways)[root_index(*in_.roots, in_.repo->copies[copy].root)];
  }

  void set_folder_permission() {
    struct stat st {};
    if (const struct stat* folder = in_.repo->folder()) {
      st = *folder;
      tree_->folder_permission_ = hubfs::folder_permission(st, way_of(0), *in_.permissions);
      return;
    }
    if (::fstat(in_.roots->front()->fd(), &st) != 0) st.st_mode = S_IFDIR;
    tree_->folder_permission_ = hubfs::folder_permission(st, in_.ways->front(), *in_.permissions);
  }

  // Owner, group and read bits: of the repo folder and the blob (of a payload that several repos link: the payload's own).
  void set_permission(TreeFile& file, std::size_t copy, const struct stat& bytes, bool shared) {
    const RepoOnDisk& disk = in_.repo->copies[copy].disk;
    std::vector<struct stat> folders{disk.folder};
    if (!file.etag) {
      add_folders_above(file.path, copy, folders);
    } else if (blobs_folder(copy)) {
      folders.push_back(*blobs_folder(copy));
    }
    const bool own = shared && bytes.st_nlink > 0;
    file.permission = file_permission(own ? bytes.st_uid : disk.folder.st_uid, own ? bytes.st_gid : disk.folder.st_gid,
                                      bytes, folders, way_of(copy), *in_.permissions);
  }

  // From snapshots/ down to the folder that a real file is in.
  void add_folders_above(const std::string& path, std::size_t copy, std::vector<struct stat>& folders) {
    const std::string file = layout::snapshot(in_.repo->key, in_.commit) + "/" + path;
    const std::size_t begin = layout::snapshots_dir(in_.repo->key).size();
    for (std::size_t end = begin; end != std::string::npos; end = file.find('/', end + 1)) {
      folders.push_back(snapshot_folder(copy, file.substr(0, end)));
    }
  }

  // One that is gone counts as closed.
  const struct stat& snapshot_folder(std::size_t copy, const std::string& path) {
    const auto [known, added] = snapshot_folders_.try_emplace({copy, path});
    if (!added) return known->second;
    if (const auto st = lstat_at(in_.repo->copies[copy].root->fd(), path)) known->second = *st;
    return known->second;
  }

  const std::optional<struct stat>& blobs_folder(std::size_t copy) {
    if (blobs_folders_.size() <= copy) blobs_folders_.resize(copy + 1);
    auto& cached = blobs_folders_[copy];
    if (!cached.first) {
      struct stat st {};
      cached.first = true;
      if (::fstatat(in_.repo->copies[copy].root->fd(), layout::blobs_dir(in_.repo->key).c_str(), &st, 0) == 0) cached.second = st;
    }
    return cached.second;
  }

  // Fills in what the bytes on disk say. False when no copy has the blob.
  void note_failure(const Error& error) {
    if (!tree_->failure_ && may_pass(error.sys_errno)) tree_->failure_ = error;
  }

  bool find_blob(TreeFile& file) {
    for (std::size_t i = 0; i < in_.repo->copies.size(); ++i) {
      const auto blob = stat_blob(*in_.repo->copies[i].root, in_.repo->key, *file.etag);
      if (!blob) note_failure(blob.error());
      if (!blob || blob->form == BlobForm::kAbsent) continue;
      const auto size = static_cast<std::uint64_t>(blob->st.st_size);
      // A blob of another length than the commit says is a damaged download of some client: it is fetched again.
      if (in_.listing && file.size != size && listed_size(file.path)) {
        log::warn(in_.repo->key.text() + ": blob " + file.etag->text() + " has " + std::to_string(size) + " bytes, not " +
                  std::to_string(file.size) + ": treated as missing");
        continue;
      }
      file.state = FileState::kCached;
      file.size = size;
      file.blocks = static_cast<std::uint64_t>(blob->st.st_blocks);
      file.root = static_cast<int>(i);
      const bool shared = blob->form == BlobForm::kShared && blob->payload;
      file.identity = shared ? "payload/" + blob->payload->text() : blob_identity(*file.etag);
      set_permission(file, i, blob->st, shared);
      return true;
    }
    return false;
  }

  [[nodiscard]] std::string blob_identity(const BlobId& etag) const { return in_.repo->key.text() + "/" + etag.text(); }

  [[nodiscard]] std::optional<std::uint64_t> listed_size(const std::string& path) const {
    if (!in_.listing) return std::nullopt;
    const auto it = in_.listing->find(path);
    return it == in_.listing->end() ? std::nullopt : std::optional(it->second.size);
  }

  void add_snapshot(int copy) {
    const RepoCopy& where = in_.repo->copies[static_cast<std::size_t>(copy)];
    std::vector<std::string> problems;
    const auto entries = scan_snapshot(*where.root, in_.repo->key, in_.commit, &problems);
    if (!entries) {
      note_failure(entries.error());
      return;
    }
    for (const std::string& problem : problems) log::debug(in_.repo->key.text() + ": " + problem);
    for (const SnapshotEntry& entry : *entries) {
      if (entry.form == EntryForm::kUnusable || by_path_.contains(entry.path.text())) continue;
      TreeFile file;
      file.path = entry.path.text();
      file.in_snapshot = true;
      if (entry.form == EntryForm::kRealFile) {
        add_real_file(std::move(file), entry, copy);
      } else {
        file.etag = entry.etag;
        file.size = listed_size(file.path).value_or(0);
        if (in_.listing) {
          if (const auto listed = in_.listing->find(file.path); listed != in_.listing->end()) file.xet_hash = listed->second.xet_hash;
        }
        // A dangling entry is a file that is not here; without a listing its size is unknown, so it is not shown.
        if (!find_blob(file)) {
          if (!listed_size(file.path)) continue;
          set_missing(file);
        }
        add(std::move(file));
      }
    }
    const auto top = open_dir(where.root->fd(), layout::snapshot(in_.repo->key, in_.commit));
    if (top) collect_folders(top->get(), "", folders_, 0);
  }

  void add_real_file(TreeFile file, const SnapshotEntry& entry, int copy) {
    const auto index = static_cast<std::size_t>(copy);
    file.state = FileState::kRealFile;
    file.size = static_cast<std::uint64_t>(entry.st.st_size);
    file.blocks = static_cast<std::uint64_t>(entry.st.st_blocks);
    file.root = copy;
    file.mtime_ns = to_ns(entry.st.st_mtim);
    // A real file can be written in place by its owner: its identity changes with its inode.
    file.identity = "file/" + std::to_string(root_index(*in_.roots, in_.repo->copies[index].root)) + "/" + in_.repo->key.text() +
                    "/" + in_.commit.text() + "/" + file.path + "/" + std::to_string(entry.st.st_ino);
    set_permission(file, index, entry.st, false);
    add(std::move(file));
  }

  void set_missing(TreeFile& file) {
    file.identity = blob_identity(*file.etag);
    file.permission = missing_permission();
    const auto partial = in_.repo->partials.find(file.etag->text());
    if (partial != in_.repo->partials.end() && partial->second.info.size == file.size) {
      file.state = FileState::kPartial;
      file.blocks = std::max<std::uint64_t>(1, partial->second.blocks);
      file.partial_bytes = partial->second.present_bytes;
    } else {
      file.state = FileState::kRemote;
      file.blocks = 1;
    }
  }

  // A file that is not here would be written with the daemon's umask into the repo folder.
  Permission missing_permission() {
    if (!missing_permission_) {
      Permission permission = tree_->folder_permission_;
      permission.mode = (permission.mode & (S_IRUSR | S_IRGRP | S_IROTH)) | S_IWUSR;
      missing_permission_ = permission;
    }
    return *missing_permission_;
  }

  void add_listing() {
    for (const auto& [path, listed] : *in_.listing) {
      note_folders(path);
      if (by_path_.contains(path)) continue;
      if (in_.memory->is_hidden(in_.repo->key, in_.commit, path)) continue;
      const auto etag = BlobId::parse(listed.etag());
      if (!etag) continue;
      TreeFile file;
      file.path = path;
      file.size = listed.size;
      file.etag = etag;
      file.xet_hash = listed.xet_hash;
      if (!find_blob(file)) set_missing(file);
      add(std::move(file));
    }
  }

  // Offline, without a listing, a partial is all that is known of its file.
  void add_unlisted_partials() {
    if (in_.listing) return;
    for (const auto& [etag, partial] : in_.repo->partials) {
      const std::string& path = partial.info.path.text();
      const auto id = BlobId::parse(etag);
      if (partial.info.commit != in_.commit || by_path_.contains(path) || !id) continue;
      if (in_.memory->is_hidden(in_.repo->key, in_.commit, path)) continue;
      TreeFile file;
      file.path = path;
      file.size = partial.info.size;
      file.etag = id;
      set_missing(file);
      note_folders(path);
      add(std::move(file));
    }
  }

  void note_folders(const std::string& path) {
    for (std::size_t slash = path.rfind('/'); slash != std::string::npos; slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1)) {
      if (!folders_.insert(path.substr(0, slash)).second) break;
    }
  }

  void add(TreeFile file) {
    note_folders(file.path);
    by_path_.insert(file.path);
    tree_->files_.push_back(std::move(file));
  }

  // mtime: when the first of the repo's commits that have the blob was first seen. With one commit that is its own time;
  // with several the snapshots of the earlier ones are asked.
  void note_first_seen() {
    std::map<std::int64_t, CommitHash> by_time;
    for (const auto& [commit, seen] : in_.repo->first_seen_ns) {
      if (seen < tree_->first_seen_ns_) by_time.emplace(seen, commit);
    }
    std::unordered_map<std::string, std::int64_t> earliest;
    for (const auto& [seen, commit] : by_time) {
      for (const RepoCopy& copy : in_.repo->copies) {
        const auto entries = scan_snapshot(*copy.root, in_.repo->key, commit, nullptr);
        if (!entries) continue;
        for (const SnapshotEntry& entry : *entries) {
          if (entry.etag) earliest.try_emplace(entry.etag->text(), seen);
        }
      }
    }
    for (TreeFile& file : tree_->files_) {
      if (file.state == FileState::kRealFile) continue;
      const auto it = earliest.find(file.etag->text());
      file.mtime_ns = it == earliest.end() ? tree_->first_seen_ns_ : it->second;
    }
  }

  void finish() {
    auto& files = tree_->files_;
    std::sort(files.begin(), files.end(), [](const TreeFile& a, const TreeFile& b) { return path_before(a.path, b.path); });
    for (const std::string& folder : folders_) {
      if (!in_.memory->is_hidden(in_.repo->key, in_.commit, folder) || holds_file(folder)) tree_->folders_.push_back(folder);
    }
    std::sort(tree_->folders_.begin(), tree_->folders_.end(), path_before);
    tree_->removed_files_ = std::make_unique<std::atomic<bool>[]>(files.size());
    tree_->removed_folders_ = std::make_unique<std::atomic<bool>[]>(tree_->folders_.size());
  }

  [[nodiscard]] bool holds_file(const std::string& folder) const {
    return std::any_of(tree_->files_.begin(), tree_->files_.end(), [&](const TreeFile& f) { return is_in(f.path, folder); });
  }
  static bool is_in(const std::string& path, const std::string& folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
  }

  const TreeInputs& in_;
  std::shared_ptr<RevisionTree> tree_;
  std::set<std::string> by_path_;
  std::set<std::string> folders_;
  std::vector<std::pair<bool, std::optional<struct stat>>> blobs_folders_;
  std::map<std::pair<std::size_t, std::string>, struct stat> snapshot_folders_;
  std::optional<Permission> missing_permission_;
};

std::shared_ptr<const RevisionTree> RevisionTree::load(const TreeInputs& inputs) { return TreeBuilder(inputs).build(); }

}  // namespace hubfs
