// SPDX-License-Identifier: Apache-2.0
//
// Operations on open files. A complete blob is opened in passthrough where that can be had, else through the page cache;
// a file that is not complete is opened through the page cache and its reads are parked until the bytes have arrived.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/catalog/use_log.h"
#include "core/fetch/companions.h"
#include "fs/errno_map.h"
#include "fs/fuse_context.h"

namespace hubfs {

namespace {

void close_backing(fuse_req_t request, const OpenFile& file) {
#ifdef FUSE_CAP_PASSTHROUGH
  if (file.backing_id > 0) fuse_passthrough_close(request, file.backing_id);
#else
  static_cast<void>(request);
  static_cast<void>(file);
#endif
}

// One refused backing open falls back alone: an overlay of too many layers or a special file is no reason to lose
// passthrough for the rest. Where it never works (no CAP_SYS_ADMIN), trying ends.
void try_passthrough(fuse_req_t request, FuseContext& context, OpenFile& file) {
#ifdef FUSE_CAP_PASSTHROUGH
  constexpr std::uint64_t kTries = 3;
  if (!context.passthrough) return;
  const int id = fuse_passthrough_open(request, file.fd.get());
  if (id > 0) {
    file.backing_id = id;
  } else if (++context.passthrough_refusals == kTries && context.passthrough_opens == 0) {
    context.passthrough = false;
    log::warn("the kernel refuses passthrough (it needs CAP_SYS_ADMIN, and a cache on at most one overlay): reads go through the page cache");
  }
#else
  static_cast<void>(request);
  static_cast<void>(context);
  static_cast<void>(file);
#endif
}

// `file` has one more user for this open. With `drop_pages` the kernel throws away what it has of the file: only for the
// first open, since it waits for pages that parked reads of other opens have locked.
void reply_open(fuse_req_t request, FuseContext& context, NodeId node, OpenFilePtr file, fuse_file_info info,
                bool drop_pages = false) {
  auto handle = std::make_shared<FileHandle>();
  if (context.uses != nullptr && file->repo) context.uses->note(*file->repo);
  if (file->backing_id > 0) {
#ifdef FUSE_CAP_PASSTHROUGH
    info.backing_id = file->backing_id;
#endif
    ++context.passthrough_opens;
  } else {
    info.keep_cache = file->keep_cache && !drop_pages ? 1 : 0;
    ++context.cached_opens;
  }
  handle->file = std::move(file);
  info.fh = context.files.add(std::move(handle));
  if (fuse_reply_open(request, &info) == 0) return;
  context.files.take(info.fh);
  close_if_last(request, context, node);
}

Result<UniqueFd> open_bytes(const Target& target) {
  const TreeFile& file = *target.file;
  const RepoEntry& repo = *target.tree->repo();
  const CacheRoot& root = *repo.copies[static_cast<std::size_t>(file.root)].root;
  if (file.state == FileState::kCached) return open_blob(root, repo.key, *file.etag);
  const auto path = RelPath::parse(file.path);
  if (!path) return fail(ErrorKind::kInvalid, file.path);
  return open_real_file(root, repo.key, target.tree->commit(), *path);
}

// Of the file behind a descriptor: changes when it is another file, or was written to.
std::uint64_t content_version(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return 0;
  return stable_hash64(std::to_string(st.st_dev) + "." + std::to_string(st.st_ino) + "." + std::to_string(st.st_size) + "." +
                       std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec));
}

void open_complete(fuse_req_t request, FuseContext& context, const Node& node, const Target& target, const fuse_file_info& info) {
  auto fd = open_bytes(target);
  if (!fd) {
    // Gone or replaced since it was looked up: ESTALE makes the kernel look the path up once more.
    const RepoKey& key = target.tree->repo()->key;
    context.look_now(key);
    if (fd.error().kind == ErrorKind::kNotFound) {
      for (const Dentry& name : context.inodes.names_of(node.id)) context.inodes.drop_name(name);
      return reply_error(request, "open", {ErrorKind::kStale, fd.error().message, 0});
    }
    return reply_error(request, "open", fd.error());
  }
  auto fresh = std::make_shared<OpenFile>();
  fresh->fd = std::move(*fd);
  fresh->size = target.file->size;
  fresh->repo = target.tree->repo()->key;
  fresh->last_stat = to_stat(context, target, nullptr);
  // The kernel's pages are those of this very file, unless another client has replaced it since the last open.
  fresh->keep_cache = target.file->state == FileState::kCached && context.inodes.same_content(node.id, content_version(fresh->fd.get()));
  // What is open in cached mode (a node from before the file was complete) stays so: the kernel refuses a mixture.
  if (!context.open_files.has(node.id)) try_passthrough(request, context, *fresh);
  OpenFilePtr shared = context.open_files.add(node.id, fresh);
  if (shared != fresh) close_backing(request, *fresh);
  reply_open(request, context, node.id, std::move(shared), info);
}

// What a program reads next: the other small files of the repo, all at once.
void fetch_companions(FuseContext& context, const Resolved& place) {
  constexpr std::size_t kLargeRepo = 5000;  // a data set of many small files is not read for the sake of one
  const RevisionTreePtr& tree = place.target.tree;
  if (context.engine.options().fill == FillMode::kNever || place.target.file->size > context.engine.options().small_file) return;
  if (context.companions_of.exchange(tree.get()) == tree.get()) return;
  const auto files = tree->files();
  if (files.size() > kLargeRepo) return;
  std::vector<SmallFile> missing;
  for (const TreeFile* file : files) {
    if (file->state == FileState::kRemote || file->state == FileState::kPartial) missing.push_back({file->path, file->size});
  }
  for (const std::string& path : companions_of(place.target.file->path, std::move(missing))) {
    Target target;
    target.tree = tree;
    target.file = tree->file(path);
    const auto wanted = target.file == nullptr ? std::nullopt : fetch_target(context.view, place.parent, target);
    if (!wanted) continue;
    context.engine.fetch_all(*wanted, [path](const Status& done) {
      if (!done) log::debug(path + ", fetched beside another file: " + done.error().message);
    });
  }
}

void open_missing(fuse_req_t request, FuseContext& context, const NodePtr& node, const Resolved& place, const fuse_file_info& info) {
  const auto target = fetch_target(context.view, place.parent, place.target);
  if (!target) return reply_error(request, "open", {ErrorKind::kNotFound, place.name + ": nothing to fetch", 0});
  const struct stat last = to_stat(context, place.target, nullptr);
  const WaitId wait = context.engine.new_wait();
  const ParkedId parked = context.parked.park(request, [&context, wait] { context.engine.cancel(wait); });
  context.engine.open(*target, wait, [&context, parked, node, identity = place.target.file->identity, last, info](const Result<FetchFilePtr>& opened) {
    fuse_req_t waiting = context.parked.take(parked);
    if (waiting == nullptr) {
      if (opened && !context.open_files.has(node->id)) context.engine.close(*opened);
      return;
    }
    if (!opened) {
      context.set_error(identity, opened.error().message);
      log::warn("open of " + context.full_path(node->id) + ": " + opened.error().message);
      return reply_error(waiting, "open", opened.error());
    }
    context.set_error(identity, "");
    auto fresh = std::make_shared<OpenFile>();
    fresh->size = (*opened)->target().size;
    fresh->repo = (*opened)->target().key;
    fresh->last_stat = last;
    fresh->fd = (*opened)->whole();
    const bool whole = static_cast<bool>(fresh->fd);
    if (!whole) fresh->fetch = *opened;
    // Read again while it is being published: as good as the blob that it is about to be.
    if (whole && !context.open_files.has(node->id)) try_passthrough(waiting, context, *fresh);
    OpenFilePtr shared = context.open_files.add(node->id, fresh);
    if (whole && shared == fresh) context.engine.close(*opened);
    if (whole && shared != fresh) close_backing(waiting, *fresh);
    // What an earlier open left in the page cache is dropped where those bytes were thrown away. Not otherwise: the kernel
    // does it before the open returns, and waits for the pages that reads of later opens have locked by then.
    const bool drop_pages = shared == fresh && !context.inodes.same_content(node->id, (*opened)->partial());
    reply_open(waiting, context, node->id, std::move(shared), info, drop_pages);
  });
  fetch_companions(context, place);
}

// Whether looking the path up once more may help: a name that led to the node leads somewhere now, or all of them were
// taken from it (the file has become complete, and has another node).
bool may_have_moved(FuseContext& context, const Node& node) {
  const auto names = context.inodes.names_of(node.id);
  if (names.empty()) return true;
  for (const Dentry& name : names) {
    const NodePtr parent = context.inodes.find(name.parent);
    if (!parent || !parent->dir) continue;
    const Lookup found = context.view.look_up(*parent->dir, context.full_path(parent->id), name.name, false);
    const auto* target = std::get_if<std::optional<Target>>(&found);
    if (target != nullptr && *target) return true;
  }
  return false;
}

// Why the cache could not be read where the kernel knows the node: what seems not to be there may be there.
std::optional<Error> failure_around(FuseContext& context, const Node& node) {
  for (const Dentry& name : context.inodes.names_of(node.id)) {
    const NodePtr parent = context.inodes.find(name.parent);
    if (!parent || !parent->dir || !parent->dir->key) continue;
    if (const RevisionTreePtr tree = context.view.tree_of(*parent->dir); tree && tree->failure()) return tree->failure();
  }
  return std::nullopt;
}

void op_open(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  FuseContext& context = context_of(request);
  if ((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0) {
    fuse_reply_err(request, EROFS);
    return;
  }
  const NodePtr node = context.inodes.find(id);
  if (!node || node->dir) {
    fuse_reply_err(request, node ? EISDIR : ESTALE);
    return;
  }
  if (node->file_key.starts_with("control/")) {
    auto handle = std::make_shared<FileHandle>();
    handle->control = context.view.control_content(node->file_key.substr(std::strlen("control/")));
    info->direct_io = 1;
    info->fh = context.files.add(std::move(handle));
    if (fuse_reply_open(request, info) != 0) context.files.take(info->fh);
    return;
  }
  if (OpenFilePtr open = context.open_files.join(id)) {
    if (!open->fetch || !open->fetch->is_over()) return reply_open(request, context, id, std::move(open), *info);
    close_if_last(request, context, id);
  }
  auto place = resolve_place(context, *node);
  if (!place) {
    if (const auto failure = failure_around(context, *node)) return reply_error(request, "open", *failure);
    // Where a name stands for another node by now, ESTALE makes the kernel look again.
    fuse_reply_err(request, may_have_moved(context, *node) ? ESTALE : ENOENT);
    return;
  }
  const FileState state = place->target.file->state;
  if (state == FileState::kCached || state == FileState::kRealFile) {
    return open_complete(request, context, *node, place->target, *info);
  }
  if (!node->file_key.ends_with("#partial")) {
    // The blob is gone; the kernel must come back with the node of the incomplete file.
    for (const Dentry& name : context.inodes.names_of(node->id)) context.inodes.drop_name(name);
    fuse_reply_err(request, ESTALE);
    return;
  }
  open_missing(request, context, node, *place, *info);
}

void reply_bytes(fuse_req_t request, int fd, std::uint64_t offset, std::uint64_t length) {
  fuse_bufvec data{};
  data.count = 1;
  data.buf[0].size = static_cast<size_t>(length);
  data.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  data.buf[0].fd = fd;
  data.buf[0].pos = static_cast<off_t>(offset);
  fuse_reply_data(request, &data, FUSE_BUF_SPLICE_MOVE);
}

void read_fetched(fuse_req_t request, FuseContext& context, const OpenFilePtr& file, std::uint64_t offset, std::uint64_t length) {
  const FetchFilePtr fetch = file->fetch;
  const ByteRange range{offset, offset + length};
  if (const auto fd = fetch->begin_read(range)) {
    context.engine.note_read(fetch, range);
    return reply_bytes(request, *fd, offset, length);
  }
  const WaitId wait = context.engine.new_wait();
  const ParkedId parked = context.parked.park(request, [&context, wait] { context.engine.cancel(wait); });
  context.engine.wait_for(fetch, range, wait, [&context, parked, fetch, range](const Status& here) {
    fuse_req_t waiting = context.parked.take(parked);
    if (waiting == nullptr) return;
    const auto fd = here ? fetch->begin_read(range) : std::nullopt;
    if (fd) return reply_bytes(waiting, *fd, range.first, range.size());
    // Found to be wrong between the two.
    const Error error = here ? fetch->error() : here.error();
    context.set_error(fetch->target().key.text() + "/" + fetch->target().etag.text(), error.message);
    log::warn("read of " + fetch->target().key.text() + "/" + fetch->target().path.text() + ": " + error.message);
    reply_error(waiting, "read", error);
  });
}

void op_read(fuse_req_t request, fuse_ino_t /*id*/, size_t size, off_t offset, fuse_file_info* info) {
  FuseContext& context = context_of(request);
  const auto handle = context.files.find(info->fh);
  if (!handle) {
    fuse_reply_err(request, EBADF);
    return;
  }
  if (!handle->file) {
    const auto at = std::min(static_cast<std::size_t>(offset), handle->control.size());
    fuse_reply_buf(request, handle->control.data() + at, std::min(size, handle->control.size() - at));
    return;
  }
  const OpenFilePtr& file = handle->file;
  const auto first = static_cast<std::uint64_t>(offset);
  if (!file->fetch) return reply_bytes(request, file->fd.get(), first, size);
  if (first >= file->size || size == 0) {
    fuse_reply_buf(request, nullptr, 0);
    return;
  }
  read_fetched(request, context, file, first, std::min<std::uint64_t>(size, file->size - first));
}

void op_flush(fuse_req_t request, fuse_ino_t /*id*/, fuse_file_info* /*info*/) { fuse_reply_err(request, 0); }

void op_fsync(fuse_req_t request, fuse_ino_t /*id*/, int /*datasync*/, fuse_file_info* /*info*/) { fuse_reply_err(request, 0); }

void op_release(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  FuseContext& context = context_of(request);
  const auto handle = context.files.take(info->fh);
  if (handle && handle->file) close_if_last(request, context, id);
  fuse_reply_err(request, 0);
}

}  // namespace

void close_if_last(fuse_req_t request, FuseContext& context, NodeId node) {
  const OpenFilePtr last = context.open_files.leave(node);
  if (!last) return;
  if (context.uses != nullptr && last->repo) context.uses->note(*last->repo);
  close_backing(request, *last);
  if (last->fetch) context.engine.close(last->fetch);
}

void add_file_operations(fuse_lowlevel_ops& ops) {
  ops.open = op_open;
  ops.read = op_read;
  ops.flush = op_flush;
  ops.fsync = op_fsync;
  ops.release = op_release;
}

}  // namespace hubfs
