// SPDX-License-Identifier: Apache-2.0
#include "core/cache/publish.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "core/cache/new_file.h"
#include "core/cache/ref_files.h"
#include "core/cache/repo_scan.h"

namespace hubfs {

namespace {

constexpr mode_t kFolderMode = 0777;  // the umask narrows it, as for every client
constexpr std::string_view kTagContent =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

// Best effort, as in huggingface_hub: a cache without the tag is a cache all the same.
void write_cachedir_tag(const CacheRoot& root) {
  auto fd = open_plain(root.fd(), std::string(layout::kCacheDirTag), O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd) static_cast<void>(pwrite_all(fd->get(), std::as_bytes(std::span(kTagContent.data(), kTagContent.size())), 0));
}

Status no_links_here(const std::string& path) {
  return fail(ErrorKind::kUnsupported, path + ": symbolic links cannot be made here");
}

// A symlink, also over an existing name; the name never vanishes in between.
Status place_link(const CacheRoot& root, const RepoKey& key, const std::string& target, int dir_fd,
                  const std::string& name) {
  if (::symlinkat(target.c_str(), dir_fd, name.c_str()) == 0) return {};
  if (errno == EPERM || errno == EOPNOTSUPP) return no_links_here(name);
  if (errno != EEXIST) return fail_errno(name);
  StagedName staged(root, key);
  if (::symlinkat(target.c_str(), staged.dir_fd(), staged.path().c_str()) != 0) return fail_errno(name);
  return staged.move_to(dir_fd, name);
}

// Whether the name is there and right already. A real file is: whoever made it (a client without links) reads it, and a
// link in its place would change it under them.
bool entry_is_fine(const CacheRoot& root, const RepoKey& key, const std::string& path, const BlobId& etag) {
  const auto st = lstat_at(root.fd(), path);
  if (!st) return false;
  if (S_ISREG(st->st_mode)) return true;
  const auto target = read_link_plain(root.fd(), path);
  return target && !target->empty() && LinkTargets(root, key).blob(path, *target) == etag;
}

// A repo's folder appears with what others expect in it, or not at all: made in the private state, then renamed.
Status place_new_repo(const CacheRoot& root, const RepoKey& key) {
  const std::string staged = ".staged." + random_hex8();
  Status status = make_dirs_at(root.state_fd(), staged + "/" + std::string(layout::kSnapshots), kFolderMode);
  if (status) status = make_dirs_at(root.state_fd(), staged + "/" + std::string(layout::kBlobs), kFolderMode);
  if (status && ::renameat(root.state_fd(), staged.c_str(), root.fd(), layout::repo_folder(key).c_str()) == 0) return {};
  const bool others_were_first = status && (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR);
  if (status && !others_were_first) status = fail_errno(layout::repo_folder(key));
  static_cast<void>(remove_tree(root.state_fd(), staged));
  return status;
}

Status describe_clash(Status status, const std::string& what) {
  if (status) return status;
  const int err = status.error().sys_errno;
  if (err != ENOTDIR && err != EISDIR && err != EEXIST && err != ENOTEMPTY) return status;
  return std::unexpected(
      Error{ErrorKind::kExists, what + ": a file stands where a folder is needed, or the reverse", err});
}

}  // namespace

Status prepare_repo(const CacheRoot& root, const RepoKey& key) {
  write_cachedir_tag(root);
  if (root.has_state() && !lstat_at(root.fd(), layout::repo_folder(key)) && errno == ENOENT) {
    if (auto placed = place_new_repo(root, key); !placed) return placed;
  }
  // Without it other clients call the repo corrupt.
  if (auto made = make_dirs_at(root.fd(), layout::snapshots_dir(key), kFolderMode); !made) return made;
  return make_dirs_at(root.fd(), layout::blobs_dir(key), kFolderMode);
}

Status publish_blob(const CacheRoot& root, const RepoKey& key, const BlobId& etag, const std::string& state_file) {
  auto folder = open_dir(root.fd(), layout::blobs_dir(key));
  if (!folder) return std::unexpected(folder.error());
  auto file = open_plain(root.state_fd(), state_file, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  struct stat st{};
  if (::fstat(file->get(), &st) != 0) return fail_errno(state_file);
  if (!S_ISREG(st.st_mode)) return fail(ErrorKind::kInvalid, state_file + ": not a regular file");
  if (auto status = make_like_new(file->get(), folder->get()); !status) return status;
  if (::fsync(file->get()) != 0) return fail_errno("fsync " + state_file);
  if (auto moved = rename_plain(root.state_fd(), state_file, folder->get(), etag.text()); !moved) {
    return describe_clash(std::move(moved), layout::blob(key, etag));
  }
  if (::fsync(folder->get()) != 0) return fail_errno("fsync " + layout::blobs_dir(key));
  return {};
}

Status link_snapshot_entry(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const RelPath& path,
                           const BlobId& etag) {
  const std::string entry = layout::snapshot_entry(key, commit, path);
  if (entry_is_fine(root, key, entry, etag)) return {};
  if (auto made = make_dirs_at(root.fd(), parent_of(entry), kFolderMode); !made) {
    return describe_clash(std::move(made), entry);
  }
  const auto folder = open_parent(root.fd(), entry);
  if (!folder) return std::unexpected(folder.error());
  return describe_clash(place_link(root, key, layout::link_to_blob(path, etag), folder->get(), base_of(entry)), entry);
}

Status write_ref(const CacheRoot& root, const RepoKey& key, const RefName& name, const CommitHash& commit,
                 bool only_if_absent) {
  const std::string path = layout::ref(key, name);
  const auto old = read_small_file(root.fd(), path, 4096);
  if (old && *old == commit.text()) return {};
  if (old && only_if_absent) {
    // One that nobody can use is as good as none.
    const auto named = parse_ref_content(*old);
    if (named && *named != commit) return {};
  }
  if (auto made = make_dirs_at(root.fd(), parent_of(path), kFolderMode); !made)
    return describe_clash(std::move(made), path);
  auto folder = open_dir(root.fd(), parent_of(path));
  if (!folder) return std::unexpected(folder.error());
  StagedName staged(root, key);
  auto file = open_plain(staged.dir_fd(), staged.path(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return std::unexpected(file.error());
  const std::string& text = commit.text();
  if (auto status = pwrite_all(file->get(), std::as_bytes(std::span(text.data(), text.size())), 0); !status)
    return status;
  if (auto status = make_like_new(file->get(), folder->get()); !status) return status;
  // An empty ref after a power cut would hide the whole repo from other clients.
  if (::fsync(file->get()) != 0) return fail_errno("fsync " + path);
  return describe_clash(staged.move_to(folder->get(), base_of(path)), path);
}

}  // namespace hubfs
