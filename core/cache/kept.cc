// SPDX-License-Identifier: Apache-2.0
//
// Filling records of kept things.
#include "core/cache/kept.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/kept_files.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr auto kTogether = std::chrono::seconds(60);  // removals of one repo that follow each other this soon
constexpr int kLockSeconds = 10;

bool is_taken(const Error& error) {
  return error.sys_errno == EEXIST || error.sys_errno == ENOTEMPTY || error.sys_errno == ENOTDIR ||
         error.sys_errno == EISDIR;
}

// Ids of one cache are in the order in which they were given.
std::string new_id() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(since).count()) + "-" + random_hex8();
}

}  // namespace

KeptPlace Keeping::place_for(const RepoKey& key, bool last) {
  const auto now = std::chrono::steady_clock::now();
  const std::int64_t now_s = std::time(nullptr);
  const MutexLock lock(mutex_);
  std::erase_if(open_, [&](const auto& item) { return now - item.second.used > kTogether; });
  auto open = open_.find(key);
  if (open == open_.end()) open = open_.emplace(key, Open{new_id(), now}).first;
  open->second.used = now;
  KeptPlace place{open->second.id, now_s, now_s + how_long_.count()};
  if (last) open_.erase(open);
  return place;
}

Result<KeptRecord> KeptRecord::open(const CacheRoot& root, const RepoKey& key, const KeptPlace& place) {
  auto fd = lock_kept(root, place.id, true, kLockSeconds);
  if (!fd) return std::unexpected(fd.error());
  auto note = read_kept_note(fd->get());
  const bool is_new = !note;
  if (is_new && note.error().kind != ErrorKind::kNotFound) return std::unexpected(note.error());
  if (is_new) note = KeptNote{key, place.now_s, place.now_s, place.deadline_s};
  if (note->key != key) return fail(ErrorKind::kInvalid, place.id + ": a record of " + note->key.text());
  if (is_new || note->added_s != place.now_s) {
    note->added_s = place.now_s;
    note->deadline_s = place.deadline_s;
    // Before anything is in it: what is kept without it could be neither brought back nor deleted.
    if (auto written = write_kept_note(fd->get(), *note, is_new); !written) return std::unexpected(written.error());
  }
  return KeptRecord(root, key, std::move(*fd));
}

// Newer parts have higher numbers. One more than the newest, unless that is a part that can take more.
Result<unsigned> KeptRecord::next_number() {
  const auto parts = kept_parts(fd_.get());
  if (!parts) return std::unexpected(parts.error());
  return parts->empty() ? 0 : parts->front().number + 1;
}

Status KeptRecord::take(const std::string& path) {
  const auto parts = kept_parts(fd_.get());
  if (!parts) return std::unexpected(parts.error());
  if (!parts->empty() && !parts->front().whole) {
    auto taken = take_into(parts->front().name(), path);
    if (taken || !is_taken(taken.error())) return taken;
    // The same name was removed before, and came back in between.
  }
  const auto number = next_number();
  if (!number) return std::unexpected(number.error());
  return take_into(KeptPart{*number, false}.name(), path);
}

Status KeptRecord::take_into(const std::string& folder, const std::string& path) {
  const std::string repo = layout::repo_folder(key_) + "/";
  if (!path.starts_with(repo)) return fail(ErrorKind::kInvalid, path + ": not in " + repo);
  const auto from = open_parent(root_->fd(), path);
  if (!from) return std::unexpected(from.error());
  const std::string name = base_of(path);
  const auto st = lstat_at(from->get(), name);
  if (!st) return fail_errno("cannot remove " + path);
  const std::string target = folder + "/" + path.substr(repo.size());
  if (auto made = make_dirs_at(fd_.get(), parent_of(target), 0777); !made) return made;
  const auto to = open_parent(fd_.get(), target);
  if (!to) return std::unexpected(to.error());
  if (!S_ISLNK(st->st_mode)) {
    auto renamed = rename_to_free_name(from->get(), name, to->get(), name);
    if (!renamed && renamed.error().sys_errno == EXDEV) {
      renamed.error().message =
          path + ": cannot be kept here, since it cannot be renamed; remove it without keeping it";
    }
    return renamed;
  }
  // Copied, so that those who count the uses of blobs see a name that went, and not one that moved.
  const auto text = read_link_at(from->get(), name);
  if (!text) return std::unexpected(text.error());
  if (::symlinkat(text->c_str(), to->get(), name.c_str()) != 0) return fail_errno(path);
  if (::unlinkat(from->get(), name.c_str(), 0) != 0) return fail_errno("cannot remove " + path);
  return {};
}

Status KeptRecord::take_repo() {
  const auto number = next_number();
  if (!number) return std::unexpected(number.error());
  const std::string folder = layout::repo_folder(key_);
  auto renamed = rename_to_free_name(root_->fd(), folder, fd_.get(), KeptPart{*number, true}.name());
  if (!renamed && renamed.error().sys_errno == EXDEV) {
    renamed.error().message =
        folder + ": cannot be kept here, since it cannot be renamed; remove it without keeping it";
  }
  return renamed;
}

}  // namespace hubfs
