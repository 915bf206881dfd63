// SPDX-License-Identifier: Apache-2.0
//
// Operations that change: unlink and rmdir remove from the cache; everything else is refused with EROFS.
#include <sys/types.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "fs/fuse_context.h"
#include "fs/mount_table.h"

namespace hubfs {

namespace {

Caller caller_of(fuse_req_t request) {
  const fuse_ctx* ctx = fuse_req_ctx(request);
  Caller caller{ctx->uid, {ctx->gid}};
  std::vector<gid_t> groups(64);
  int count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  if (count > static_cast<int>(groups.size())) {
    groups.resize(static_cast<std::size_t>(count));
    count = fuse_req_getgroups(request, count, groups.data());
  }
  for (int i = 0; i < count && i < static_cast<int>(groups.size()); ++i) caller.groups.push_back(groups[static_cast<std::size_t>(i)]);
  return caller;
}

bool takes_removals(const FuseContext& context, NodeId folder) {
  if (context.options.read_only) return false;
  if (!context.options.remove_on_shelves_only) return true;
  const std::string path = context.full_path(folder);
  return path.empty() || repo_type_from_plural(path.substr(0, path.find('/')));
}

// The folder that loses a name; null when none can be lost there, which is answered.
NodePtr folder_to_change(fuse_req_t request, FuseContext& context, fuse_ino_t id) {
  NodePtr parent = context.inodes.find(id);
  if (parent && parent->dir && takes_removals(context, id)) return parent;
  fuse_reply_err(request, parent && parent->dir ? EROFS : ENOENT);
  return nullptr;
}

// For user.hubfs.error of the file: the errno alone does not say who is at work, or what does not let the caller.
void note_refusal(FuseContext& context, const DirSpec& dir, const std::string& name, const Error& error) {
  log::info("unlink " + name + ": " + error.message);
  const RevisionTreePtr tree = dir.key ? context.view.tree_of(dir) : nullptr;
  const TreeFile* file = tree ? tree->file(dir.path.empty() ? name : dir.path + "/" + name) : nullptr;
  if (file != nullptr) context.set_error(file->identity, error.message);
}

// The kernel knows what it removed by this name only; where it was hidden and not deleted, nothing on disk tells of it.
void note_other_places(FuseContext& context, const Node& parent) {
  if (parent.dir->kind == DirSpec::Kind::kRevision) context.note_changed(*parent.dir->key);
}

// The kernel holds the locks of both folders until a removal is answered. A notifier that waited for one of them could not
// be ended if the daemon is killed just then, and with it the mount would hang until somebody unmounts by force.
class QuietFolders {
 public:
  QuietFolders(FuseContext& context, NodeId parent, const std::string& name) : context_(context), parent_(parent) {
    context_.notifier.park(parent_);
    if (const NodePtr node = context_.inodes.known({parent, name}); node && node->dir) {
      removed_ = node->id;
      context_.notifier.park(node->id);
    }
  }
  ~QuietFolders() {
    if (removed_) context_.notifier.unpark(*removed_);
    context_.notifier.unpark(parent_);
  }
  QuietFolders(const QuietFolders&) = delete;
  QuietFolders& operator=(const QuietFolders&) = delete;

 private:
  FuseContext& context_;
  const NodeId parent_;
  std::optional<NodeId> removed_;
};

void op_unlink(fuse_req_t request, fuse_ino_t parent_id, const char* name) {
  FuseContext& context = context_of(request);
  const NodePtr parent = folder_to_change(request, context, parent_id);
  if (!parent) return;
  const QuietFolders quiet(context, parent_id, name);
  const Status removed = context.remover.unlink(*parent->dir, name, caller_of(request));
  if (!removed) {
    note_refusal(context, *parent->dir, name, removed.error());
    return reply_error(request, "unlink", removed.error());
  }
  context.inodes.drop_name({parent_id, name});
  fuse_reply_err(request, 0);
  note_other_places(context, *parent);
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent_id, const char* name) {
  FuseContext& context = context_of(request);
  const NodePtr parent = folder_to_change(request, context, parent_id);
  if (!parent) return;
  const std::string inside = context.inodes.path_of(parent_id);
  // It would be stranded: no path leads to it any more.
  if (has_mount_below(context.options.mountpoint + (inside.empty() ? "/" : "/" + inside + "/") + name)) {
    return reply_error(request, "rmdir", {ErrorKind::kBusy, std::string(name) + ": something is mounted below it", 0});
  }
  const QuietFolders quiet(context, parent_id, name);
  const Status removed = context.remover.rmdir(*parent->dir, context.full_path(parent_id), name, caller_of(request));
  const std::string place = inside.empty() ? name : inside + "/" + name;
  context.set_error(FuseContext::place_identity(place), removed ? std::string() : removed.error().message);
  if (!removed) {
    log::info("rmdir " + context.full_path(parent_id) + "/" + name + ": " + removed.error().message);
    return reply_error(request, "rmdir", removed.error());
  }
  context.inodes.drop_name({parent_id, name});
  fuse_reply_err(request, 0);
  note_other_places(context, *parent);
}

void refuse(fuse_req_t request) { fuse_reply_err(request, EROFS); }

}  // namespace

void add_change_operations(fuse_lowlevel_ops& ops) {
  ops.unlink = op_unlink;
  ops.rmdir = op_rmdir;
  ops.setattr = [](fuse_req_t r, fuse_ino_t, struct stat*, int, fuse_file_info*) { refuse(r); };
  ops.mknod = [](fuse_req_t r, fuse_ino_t, const char*, mode_t, dev_t) { refuse(r); };
  ops.mkdir = [](fuse_req_t r, fuse_ino_t, const char*, mode_t) { refuse(r); };
  ops.symlink = [](fuse_req_t r, const char*, fuse_ino_t, const char*) { refuse(r); };
  ops.link = [](fuse_req_t r, fuse_ino_t, fuse_ino_t, const char*) { refuse(r); };
  ops.rename = [](fuse_req_t r, fuse_ino_t, const char*, fuse_ino_t, const char*, unsigned int) { refuse(r); };
  ops.create = [](fuse_req_t r, fuse_ino_t, const char*, mode_t, fuse_file_info*) { refuse(r); };
  ops.write = [](fuse_req_t r, fuse_ino_t, const char*, size_t, off_t, fuse_file_info*) { refuse(r); };
  ops.fallocate = [](fuse_req_t r, fuse_ino_t, int, off_t, off_t, fuse_file_info*) { refuse(r); };
}

}  // namespace hubfs
