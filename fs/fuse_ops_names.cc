// SPDX-License-Identifier: Apache-2.0
//
// Operations on names: lookup, forget, getattr, opendir, readdir, statfs.
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "fs/fuse_context.h"

namespace hubfs {

namespace {

constexpr double kChangingTimeout = 1.0;

fuse_entry_param entry_for(FuseContext& context, const Target& target, NodeId id) {
  bool changing = false;
  fuse_entry_param entry{};
  entry.ino = id;
  entry.attr = to_stat(context, target, &changing);
  entry.entry_timeout = context.timeout();
  entry.attr_timeout = changing ? kChangingTimeout : context.timeout();
  return entry;
}

NodePtr node_for(FuseContext& context, const Dentry& name, const Target& target) {
  return target.dir ? context.inodes.look_up_dir(name, *target.dir) : context.inodes.look_up_file(name, file_key(target));
}

void reply_nothing(fuse_req_t request, FuseContext& context, const DirSpec& dir) {
  fuse_entry_param none{};
  // The Hub is asked again some time later (RemoteCatalog remembers refusals); elsewhere the view knows.
  none.entry_timeout = context.view.may_grow(dir) ? 0.0 : context.timeout();
  fuse_reply_entry(request, &none);
}

void finish_lookup(fuse_req_t request, FuseContext& context, const NodePtr& parent, const std::string& name, Lookup found) {
  if (const auto* error = std::get_if<Error>(&found)) {
    if (error->kind == ErrorKind::kNotFound) return reply_nothing(request, context, *parent->dir);
    return reply_error(request, "lookup", *error);
  }
  auto* target = std::get_if<std::optional<Target>>(&found);
  if (target == nullptr || !*target) return reply_nothing(request, context, *parent->dir);
  const NodePtr node = node_for(context, {parent->id, name}, **target);
  const fuse_entry_param entry = entry_for(context, **target, node->id);
  if (fuse_reply_entry(request, &entry) == -ENOENT) context.inodes.forget(node->id, 1);
}

// After a reply that was made of the view of `seen`: what has changed since then was told to the kernel before that reply
// came there, so a name that stands for something else by now is told once more.
void tell_if_changed(FuseContext& context, const NodePtr& parent, const std::string& name, std::uint64_t seen) {
  if (context.notifier.changes() == seen) return;
  const NodePtr told = context.inodes.known({parent->id, name});
  const Lookup now = context.view.look_up(*parent->dir, context.full_path(parent->id), name, false);
  const auto* target = std::get_if<std::optional<Target>>(&now);
  const bool is_there = target != nullptr && *target;
  if (told ? is_there && same_node(*told, **target) : !is_there) return;
  if (told) context.inodes.drop_name({parent->id, name});
  context.notifier.name_changed(parent->id, name);
}

// Parks the look-up until the Hub has answered. The notifier sends nothing to the directory meanwhile, because the kernel
// holds its lock.
void park_lookup(fuse_req_t request, FuseContext& context, const NodePtr& parent, const std::string& name, const Need& need) {
  context.notifier.park(parent->id);
  const auto unpark = [&context, id = parent->id] { context.notifier.unpark(id); };
  const ParkedId parked = context.parked.park(request, unpark);
  ask_hub(context, need, [&context, parked, parent, name, need, unpark](const std::optional<Error>& refused) {
    fuse_req_t waiting = context.parked.take(parked);
    if (waiting == nullptr) return;
    const std::uint64_t seen = context.notifier.changes();
    if (refused && !(need.list && context.view.library().find(need.key))) {
      finish_lookup(waiting, context, parent, name, *refused);
    } else {
      // A commit that was just resolved is looked up without its listing: that is asked for when somebody looks inside.
      finish_lookup(waiting, context, parent, name,
                    context.view.look_up(*parent->dir, context.full_path(parent->id), name, false));
    }
    tell_if_changed(context, parent, name, seen);
    unpark();
  });
}

void op_lookup(fuse_req_t request, fuse_ino_t parent_id, const char* name) {
  FuseContext& context = context_of(request);
  const NodePtr parent = context.inodes.find(parent_id);
  if (!parent || !parent->dir) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  if (std::strlen(name) > 255) {
    fuse_reply_err(request, ENAMETOOLONG);
    return;
  }
  // Programs probe for hidden files everywhere; nothing on the Hub that begins with a dot is worth a question by name.
  const bool ask = parent->dir->kind != DirSpec::Kind::kHubOrg || name[0] != '.';
  const std::uint64_t seen = context.notifier.changes();
  Lookup found = context.view.look_up(*parent->dir, context.full_path(parent_id), name, ask);
  if (const auto* need = std::get_if<Need>(&found)) return park_lookup(request, context, parent, name, *need);
  finish_lookup(request, context, parent, name, std::move(found));
  tell_if_changed(context, parent, name, seen);
}

void op_forget(fuse_req_t request, fuse_ino_t id, std::uint64_t lookups) {
  context_of(request).inodes.forget(id, lookups);
  fuse_reply_none(request);
}

void op_forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  FuseContext& context = context_of(request);
  for (size_t i = 0; i < count; ++i) context.inodes.forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(request);
}

void op_getattr(fuse_req_t request, fuse_ino_t id, fuse_file_info* /*info*/) {
  FuseContext& context = context_of(request);
  const NodePtr node = context.inodes.find(id);
  if (!node) {
    fuse_reply_err(request, ESTALE);
    return;
  }
  if (node->dir) {
    Target target;
    target.dir = node->dir;
    target.attr = context.view.dir_attr(*node->dir, context.full_path(id));
    const struct stat st = to_stat(context, target, nullptr);
    fuse_reply_attr(request, &st, context.timeout());
    return;
  }
  if (const auto target = resolve_file(context, *node)) {
    bool changing = false;
    const struct stat st = to_stat(context, *target, &changing);
    fuse_reply_attr(request, &st, changing ? kChangingTimeout : context.timeout());
    return;
  }
  // Removed while open: what the descriptor says.
  if (const OpenFilePtr open = context.open_files.join(id)) {
    const struct stat st = open->last_stat;
    close_if_last(request, context, id);
    fuse_reply_attr(request, &st, kChangingTimeout);
    return;
  }
  fuse_reply_err(request, ESTALE);
}

void finish_opendir(fuse_req_t request, FuseContext& context, const NodePtr& node, ReadDir listed, std::uint64_t seen,
                    fuse_file_info info) {
  if (const auto* error = std::get_if<Error>(&listed)) return reply_error(request, "opendir", *error);
  auto handle = std::make_shared<DirHandle>();
  if (auto* children = std::get_if<std::vector<Listed>>(&listed)) handle->listed = std::move(*children);
  handle->node = node->id;
  handle->seen = seen;
  info.fh = context.dirs.add(std::move(handle));
  // The kernel keeps the listing; the notifier tells it when the listing changes.
  if (context.followed && !context.view.may_grow(*node->dir)) {
    info.cache_readdir = 1;
    info.keep_cache = 1;
  }
  if (fuse_reply_open(request, &info) != 0) context.dirs.take(info.fh);
}

void op_opendir(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  FuseContext& context = context_of(request);
  const NodePtr node = context.inodes.find(id);
  if (!node || !node->dir) {
    fuse_reply_err(request, node ? ENOTDIR : ESTALE);
    return;
  }
  const std::uint64_t seen = context.notifier.changes();
  ReadDir listed = context.view.list(*node->dir, context.full_path(id), true);
  const auto* need = std::get_if<Need>(&listed);
  if (need == nullptr) return finish_opendir(request, context, node, std::move(listed), seen, *info);
  const ParkedId parked = context.parked.park(request, {});
  ask_hub(context, *need, [&context, parked, node, id, need = *need, info = *info](const std::optional<Error>& refused) {
    fuse_req_t waiting = context.parked.take(parked);
    if (waiting == nullptr) return;
    // Without an answer a cached revision shows what the snapshot holds; of an uncached one nothing is known.
    if (refused && !context.view.library().find(need.key)) return reply_error(waiting, "opendir", *refused);
    const std::uint64_t now = context.notifier.changes();
    finish_opendir(waiting, context, node, context.view.list(*node->dir, context.full_path(id), false), now, info);
  });
}

// One entry into the buffer; 0 when it does not fit.
std::size_t add_entry(fuse_req_t request, FuseContext& context, const DirHandle& handle, std::span<char> room, bool plus,
                      const Listed& item, off_t next) {
  if (!plus) {
    bool changing = false;
    const struct stat st = to_stat(context, item.target, &changing);
    const std::size_t need = fuse_add_direntry(request, room.data(), room.size(), item.name.c_str(), &st, next);
    return need > room.size() ? 0 : need;
  }
  fuse_entry_param probe{};
  const std::size_t need = fuse_add_direntry_plus(request, nullptr, 0, item.name.c_str(), &probe, next);
  if (need > room.size()) return 0;
  const NodePtr node = node_for(context, {handle.node, item.name}, item.target);
  const fuse_entry_param entry = entry_for(context, item.target, node->id);
  return fuse_add_direntry_plus(request, room.data(), room.size(), item.name.c_str(), &entry, next);
}

std::size_t add_dots(fuse_req_t request, const DirHandle& handle, std::span<char> room, bool plus, off_t index) {
  fuse_entry_param entry{};
  entry.attr.st_mode = S_IFDIR;
  entry.attr.st_ino = handle.node;
  const char* name = index == 0 ? "." : "..";
  const std::size_t need = plus ? fuse_add_direntry_plus(request, room.data(), room.size(), name, &entry, index + 1)
                                : fuse_add_direntry(request, room.data(), room.size(), name, &entry.attr, index + 1);
  return need > room.size() ? 0 : need;
}

// A folder that was opened before a change and is read after it: the kernel keeps neither the listing nor the names.
void tell_if_listing_changed(FuseContext& context, const DirHandle& handle, off_t first, off_t end) {
  if (context.notifier.changes() == handle.seen) return;
  const NodePtr dir = context.inodes.find(handle.node);
  if (!dir || !dir->dir) return;
  for (off_t i = std::max<off_t>(first, 2); i < end; ++i) {
    tell_if_changed(context, dir, handle.listed[static_cast<std::size_t>(i - 2)].name, handle.seen);
  }
  context.notifier.listing_changed(handle.node);
}

void read_directory(fuse_req_t request, std::size_t size, off_t offset, const fuse_file_info* info, bool plus) {
  FuseContext& context = context_of(request);
  const auto handle = context.dirs.find(info->fh);
  if (!handle) {
    fuse_reply_err(request, EBADF);
    return;
  }
  std::vector<char> buffer(size);
  std::size_t used = 0;
  const auto count = static_cast<off_t>(handle->listed.size()) + 2;
  off_t next = offset;
  for (; next < count; ++next) {
    const std::span<char> room(buffer.data() + used, size - used);
    const std::size_t added = next < 2 ? add_dots(request, *handle, room, plus, next)
                                    : add_entry(request, context, *handle, room, plus,
                                                handle->listed[static_cast<std::size_t>(next - 2)], next + 1);
    if (added == 0) break;
    used += added;
  }
  fuse_reply_buf(request, buffer.data(), used);
  tell_if_listing_changed(context, *handle, offset, next);
}

void op_readdir(fuse_req_t request, fuse_ino_t /*id*/, size_t size, off_t offset, fuse_file_info* info) {
  read_directory(request, size, offset, info, false);
}

void op_readdirplus(fuse_req_t request, fuse_ino_t /*id*/, size_t size, off_t offset, fuse_file_info* info) {
  read_directory(request, size, offset, info, true);
}

void op_releasedir(fuse_req_t request, fuse_ino_t /*id*/, fuse_file_info* info) {
  context_of(request).dirs.take(info->fh);
  fuse_reply_err(request, 0);
}

void op_statfs(fuse_req_t request, fuse_ino_t /*id*/) {
  FuseContext& context = context_of(request);
  struct statvfs st {};
  if (::fstatvfs(context.view.library().roots().front()->fd(), &st) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  st.f_namemax = 255;
  fuse_reply_statfs(request, &st);
}

}  // namespace

void add_name_operations(fuse_lowlevel_ops& ops) {
  ops.lookup = op_lookup;
  ops.forget = op_forget;
  ops.forget_multi = op_forget_multi;
  ops.getattr = op_getattr;
  ops.opendir = op_opendir;
  ops.readdir = op_readdir;
  ops.readdirplus = op_readdirplus;
  ops.releasedir = op_releasedir;
  ops.statfs = op_statfs;
}

}  // namespace hubfs
