// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_context.h"

#include <algorithm>

#include "core/base/log.h"
#include "fs/errno_map.h"

namespace hubfs {

namespace {
constexpr double kFollowedTimeout = 3600.0;
constexpr double kPolledTimeout = 1.0;
constexpr std::size_t kMaxErrors = 1000;
}  // namespace

std::string FuseContext::full_path(NodeId node) const {
  const std::string path = inodes.path_of(node);
  const std::string& prefix = view.options().subtree;
  if (prefix.empty()) return path;
  return path.empty() ? prefix : prefix + "/" + path;
}

double FuseContext::timeout() const { return followed ? kFollowedTimeout : kPolledTimeout; }

void FuseContext::set_error(const std::string& identity, const std::string& words) {
  const MutexLock lock(mutex_);
  if (words.empty()) {
    errors_.erase(identity);
    return;
  }
  if (errors_.size() >= kMaxErrors) errors_.clear();
  errors_[identity] = words;
}

std::string FuseContext::error_of(const std::string& identity) const {
  const MutexLock lock(mutex_);
  const auto it = errors_.find(identity);
  return it == errors_.end() ? std::string() : it->second;
}

FuseContext& context_of(fuse_req_t request) { return *static_cast<FuseContext*>(fuse_req_userdata(request)); }

void reply_error(fuse_req_t request, const char* operation, const Error& error) {
  if (error.kind != ErrorKind::kNotFound && error.kind != ErrorKind::kReadOnly) {
    log::debug(std::string(operation) + ": " + error.message);
  }
  fuse_reply_err(request, errno_of(error));
}

void ask_hub(FuseContext& context, const Need& need, const std::function<void(std::optional<Error>)>& then) {
  if (need.list) {
    context.view.remote().list(need.key, *need.list, [&context, key = need.key, then](const Result<ListingPtr>& answer) {
      if (!answer) return then(answer.error());
      // The tree that was made without the listing is made anew.
      static_cast<void>(context.view.trees().drop(key));
      then(std::nullopt);
    });
    return;
  }
  context.view.remote().resolve(need.key, need.resolve, [then](const Result<CommitHash>& answer) {
    then(answer ? std::nullopt : std::optional(answer.error()));
  });
}

std::optional<Resolved> resolve_place(FuseContext& context, const Node& node) {
  for (const Dentry& name : context.inodes.names_of(node.id)) {
    const NodePtr parent = context.inodes.find(name.parent);
    if (!parent || !parent->dir) continue;
    Lookup found = context.view.look_up(*parent->dir, context.full_path(parent->id), name.name, false);
    auto* target = std::get_if<std::optional<Target>>(&found);
    if (target == nullptr || !*target || (*target)->dir) continue;
    // Under the same name there may be another file by now; the same blob in another phase is still this file.
    const std::string key = file_key(**target);
    const std::string identity = node.file_key.ends_with("#partial") ? node.file_key.substr(0, node.file_key.size() - 8) : node.file_key;
    if (key != node.file_key && key != identity && key != identity + "#partial") continue;
    return Resolved{std::move(**target), *parent->dir, name.name};
  }
  return std::nullopt;
}

std::optional<Target> resolve_file(FuseContext& context, const Node& node) {
  auto place = resolve_place(context, node);
  if (!place) return std::nullopt;
  return std::move(place->target);
}

std::optional<FetchTarget> fetch_target(const View& view, const DirSpec& parent, const Target& target) {
  const auto path = RelPath::parse(target.file->path);
  if (!path || !target.file->etag || !parent.key) return std::nullopt;
  return FetchTarget{*parent.key, target.tree->commit(), *path, *target.file->etag, target.file->size,
                     target.file->xet_hash, view.ref_of(parent), target.tree->listing()};
}

struct stat to_stat(FuseContext& context, const Target& target, bool* changing) {
  Attr attr = target.attr;
  bool active = target.changing;
  if (target.file != nullptr && target.file->etag &&
      (target.file->state == FileState::kPartial || target.file->state == FileState::kRemote)) {
    if (const FetchFilePtr fetch = context.engine.find(target.tree->repo()->key, *target.file->etag)) {
      attr.blocks = std::max<std::uint64_t>(1, (fetch->present_bytes() + 511) / 512);
      active = true;
    }
  }
  struct stat st {};
  st.st_ino = attr.ino;
  st.st_mode = attr.mode;
  st.st_nlink = attr.nlink;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_size = static_cast<off_t>(attr.size);
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  st.st_blksize = 4096;
  st.st_mtim.tv_sec = attr.mtime_ns / 1'000'000'000;
  st.st_mtim.tv_nsec = attr.mtime_ns % 1'000'000'000;
  st.st_ctim = st.st_mtim;
  st.st_atim = st.st_mtim;
  if (changing != nullptr) *changing = active;
  return st;
}

}  // namespace hubfs
