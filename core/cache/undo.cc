// SPDX-License-Identifier: Apache-2.0
#include "core/cache/undo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/kept_files.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/publish.h"
#include "core/cache/ref_files.h"
#include "core/cache/repo_scan.h"
#include "core/cache/shared_store.h"

namespace hubfs {

namespace {

constexpr mode_t kFolderMode = 0777;  // the umask narrows it, as for every client
constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxRefBytes = 4096;
constexpr int kLockSeconds = 10;

// One record that is locked.
class Restoration {
 public:
  Restoration(const CacheRoot& root, const RepoKey& key, int record_fd)
      : root_(root), key_(key), record_fd_(record_fd), targets_(root, key), restored_{key, {}, false, {}} {}

  Status run() {
    auto parts = kept_parts(record_fd_);
    if (!parts) return std::unexpected(parts.error());
    if (auto done = whole_repo(*parts); !done) return done;
    for (const KeptPart& part : *parts) {
      if (auto done = merge(part.name()); !done) return done;
    }
    return {};
  }

  Restored restored() { return std::move(restored_); }

 private:
  // The newest repo folder goes back as it was, if there is none now. Not one with links into the shared store: each of
  // them needs its reference first.
  Status whole_repo(std::vector<KeptPart>& parts) {
    const auto whole = std::find_if(parts.begin(), parts.end(), [](const KeptPart& part) { return part.whole; });
    if (whole == parts.end() || lstat_at(root_.fd(), layout::repo_folder(key_))) return {};
    const auto blobs = read_dir_at(record_fd_, whole->name() + "/" + std::string(layout::kBlobs));
    if (!blobs) return std::unexpected(blobs.error());
    if (std::any_of(blobs->begin(), blobs->end(), [](const NameInDir& b) { return b.kind == NameKind::kLink; })) {
      return {};
    }
    auto renamed = rename_to_free_name(record_fd_, whole->name(), root_.fd(), layout::repo_folder(key_));
    if (!renamed) return renamed.error().sys_errno == EEXIST ? Status{} : renamed;
    restored_.whole = true;
    parts.erase(whole);
    return {};
  }

  // In the order of a publication: blobs, entries, listings, refs.
  Status merge(const std::string& part) {
    if (auto made = prepare_repo(root_, key_); !made) return made;
    if (auto done = blobs(part + "/" + std::string(layout::kBlobs)); !done) return done;
    if (auto done = snapshots(part + "/" + std::string(layout::kSnapshots)); !done) return done;
    if (auto done = listings(part + "/" + std::string(layout::kTrees)); !done) return done;
    return refs(part + "/" + std::string(layout::kRefs), "", 0);
  }

  Status blobs(const std::string& folder) {
    const auto names = read_dir_at(record_fd_, folder);
    if (!names) return std::unexpected(names.error());
    for (const NameInDir& name : *names) {
      const auto etag = BlobId::parse(name.name);
      if (!etag || layout::classify_blob_name(name.name) != layout::BlobDirEntry::kBlob) continue;
      const auto now = stat_blob(root_, key_, *etag);
      if (!now) return std::unexpected(now.error());
      if (now->form != BlobForm::kAbsent) continue;
      Status done;
      if (name.kind == NameKind::kFile) done = blob(folder, *etag);
      if (name.kind == NameKind::kLink) done = blob_link(folder, *etag);
      if (!done) return done;
    }
    return {};
  }

  Status blob(const std::string& folder, const BlobId& etag) {
    const auto from = open_dir(record_fd_, folder);
    const auto to = open_dir(root_.fd(), layout::blobs_dir(key_));
    if (!from || !to) return std::unexpected(from ? to.error() : from.error());
    const auto there = lstat_at(to->get(), etag.text());
    // A link to a payload that is gone gives way, as to a download.
    if (there && S_ISLNK(there->st_mode)) {
      if (::renameat(from->get(), etag.text().c_str(), to->get(), etag.text().c_str()) != 0)
        return fail_errno(etag.text());
      return {};
    }
    if (there) {
      restored_.lost.push_back(layout::blob(key_, etag) + ": something else has its name");
      return {};
    }
    auto renamed = rename_to_free_name(from->get(), etag.text(), to->get(), etag.text());
    return !renamed && renamed.error().sys_errno == EEXIST ? Status{} : renamed;
  }

  Status blob_link(const std::string& folder, const BlobId& etag) {
    const auto target = read_link_plain(record_fd_, folder + "/" + etag.text());
    if (!target) return std::unexpected(target.error());
    // Relative to where the link was.
    const auto hash = target->empty() ? std::nullopt : targets_.payload(layout::blob(key_, etag), *target);
    const auto payload = hash ? stat_payload(root_, *hash) : std::nullopt;
    if (!payload) return {};  // its entries say what is lost
    const auto linked = relink_shared_payload(root_, key_, etag, *hash, static_cast<std::uint64_t>(payload->st_size));
    return linked ? Status{} : Status(std::unexpected(linked.error()));
  }

  Status snapshots(const std::string& folder) {
    const auto names = read_dir_at(record_fd_, folder);
    if (!names) return std::unexpected(names.error());
    for (const NameInDir& name : *names) {
      const auto commit = CommitHash::parse(name.name);
      if (!commit || name.kind != NameKind::kFolder) continue;
      if (auto made = make_dirs_at(root_.fd(), layout::snapshot(key_, *commit), kFolderMode); !made) return made;
      if (auto done = entries(*commit, folder + "/" + name.name, "", 0); !done) return done;
    }
    return {};
  }

  Status entries(const CommitHash& commit, const std::string& top, const std::string& folder, int depth) {
    const auto names = read_dir_at(record_fd_, folder.empty() ? top : top + "/" + folder);
    if (!names) return std::unexpected(names.error());
    for (const NameInDir& name : *names) {
      const std::string text = folder.empty() ? name.name : folder + "/" + name.name;
      Status done;
      if (name.kind == NameKind::kFolder) {
        done = depth < kMaxDepth ? entries(commit, top, text, depth + 1) : Status{};
      } else if (const auto path = RelPath::parse(text)) {
        done = name.kind == NameKind::kLink ? entry(commit, top, *path) : real_file(commit, top, *path);
      }
      if (!done) return done;
    }
    return {};
  }

  void lose(const CommitHash& commit, const RelPath& path, const std::string& why) {
    restored_.lost.push_back(key_.text() + "@" + commit.short_text() + "/" + path.text() + ": " + why);
  }

  Status entry(const CommitHash& commit, const std::string& top, const RelPath& path) {
    const std::string place = layout::snapshot_entry(key_, commit, path);
    if (lstat_at(root_.fd(), place)) return {};
    const auto target = read_link_plain(record_fd_, top + "/" + path.text());
    if (!target) return std::unexpected(target.error());
    const auto etag = target->empty() ? std::nullopt : targets_.blob(place, *target);
    if (!etag) {
      lose(commit, path, "it was a link to something else than a blob of this repo");
      return {};
    }
    const auto blob = stat_blob(root_, key_, *etag);
    if (!blob) return std::unexpected(blob.error());
    if (blob->form == BlobForm::kAbsent) {
      lose(commit, path, "its content has gone from the shared store, or was removed meanwhile");
      return {};
    }
    if (auto linked = link_snapshot_entry(root_, key_, commit, path, *etag); !linked) {
      if (linked.error().kind != ErrorKind::kExists) return linked;
      lose(commit, path, "a file stands where a folder was, or the reverse");
      return {};
    }
    restored_.entries.emplace_back(commit, path);
    return {};
  }

  Status real_file(const CommitHash& commit, const std::string& top, const RelPath& path) {
    const std::string place = layout::snapshot_entry(key_, commit, path);
    const std::string kept = top + "/" + path.text();
    if (!make_dirs_at(root_.fd(), parent_of(place), kFolderMode)) {
      lose(commit, path, "a file stands where a folder was");
      return {};
    }
    return move(kept, place, [&] { restored_.entries.emplace_back(commit, path); });
  }

  // To a name that is free; one that is taken stays.
  template <typename Then>
  Status move(const std::string& kept, const std::string& place, Then then) {
    const auto from = open_parent(record_fd_, kept);
    const auto to = open_parent(root_.fd(), place);
    if (!from || !to) return std::unexpected(from ? to.error() : from.error());
    auto renamed = rename_to_free_name(from->get(), base_of(kept), to->get(), base_of(place));
    if (renamed) then();
    return !renamed && renamed.error().sys_errno == EEXIST ? Status{} : renamed;
  }

  Status listings(const std::string& folder) {
    const auto names = read_dir_at(record_fd_, folder);
    if (!names) return std::unexpected(names.error());
    for (const NameInDir& name : *names) {
      if (name.kind != NameKind::kFile || !name.name.ends_with(".json")) continue;
      if (auto made = make_dirs_at(root_.fd(), layout::trees_dir(key_), kFolderMode); !made) return made;
      if (auto done = move(folder + "/" + name.name, layout::trees_dir(key_) + "/" + name.name, [] {}); !done)
        return done;
    }
    return {};
  }

  // Last, and only to snapshots that are there: others would hide the repo from other clients.
  Status refs(const std::string& top, const std::string& folder, int depth) {
    const auto names = read_dir_at(record_fd_, folder.empty() ? top : top + "/" + folder);
    if (!names) return std::unexpected(names.error());
    for (const NameInDir& name : *names) {
      const std::string text = folder.empty() ? name.name : folder + "/" + name.name;
      if (name.kind == NameKind::kFolder && depth < kMaxDepth) {
        if (auto done = refs(top, text, depth + 1); !done) return done;
      }
      const auto ref = name.kind == NameKind::kFile ? RefName::parse(text) : std::nullopt;
      if (!ref || layout::is_temporary_ref_name(text)) continue;
      const auto content = read_small_file(record_fd_, top + "/" + text, kMaxRefBytes);
      const auto commit = content ? parse_ref_content(*content) : std::nullopt;
      if (!commit || !lstat_at(root_.fd(), layout::snapshot(key_, *commit))) continue;
      auto written = write_ref(root_, key_, *ref, *commit, true);
      if (!written && written.error().kind != ErrorKind::kExists) return written;
    }
    return {};
  }

  const CacheRoot& root_;
  const RepoKey& key_;
  const int record_fd_;
  LinkTargets targets_;
  Restored restored_;
};

}  // namespace

Result<Restored> restore_kept(const CacheRoot& root, const std::string& id) {
  const auto fd = lock_kept(root, id, false, kLockSeconds);
  if (!fd) return std::unexpected(fd.error());
  const auto note = read_kept_note(fd->get());
  if (!note) return std::unexpected(note.error());
  Restoration restoration(root, note->key, fd->get());
  if (auto done = restoration.run(); !done) return std::unexpected(done.error());
  // What is left in it is in the cache, or lost.
  if (auto deleted = delete_kept(root, id, fd->get(), note->key); !deleted) return std::unexpected(deleted.error());
  return restoration.restored();
}

}  // namespace hubfs
