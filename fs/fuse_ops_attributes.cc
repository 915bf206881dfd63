// SPDX-License-Identifier: Apache-2.0
//
// Extended attributes: `user.hubfs.*` say what stands behind a name; two of them can be written. `security.*` and
// `system.*` are answered EOPNOTSUPP, after which the kernel stops asking: that is what makes `ls -l` fast.
#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include "core/base/log.h"
#include "fs/errno_map.h"
#include "fs/fuse_context.h"

namespace hubfs {

namespace {

constexpr std::string_view kPrefix = "user.hubfs.";

using Attributes = std::map<std::string, std::string>;

std::string revision_text(const DirSpec& dir) {
  return dir.select == DirSpec::Select::kDefault ? std::string("main") : dir.revision;
}

// A line for each place where there are several.
void add_line(Attributes& into, const char* name, const std::string& line) {
  std::string& value = into[name];
  const std::string framed = "\n" + value + "\n";
  if (!value.empty() && framed.find("\n" + line + "\n") != std::string::npos) return;
  if (!value.empty()) value += "\n";
  value += line;
}

void add_place(FuseContext& context, const DirSpec& dir, const std::string& path, Attributes& into) {
  if (!dir.key) return;
  add_line(into, "repo_id", dir.key->id.text());
  add_line(into, "repo_type", std::string(singular(dir.key->type)));
  add_line(into, "revision", revision_text(dir));
  if (const auto commit = context.view.commit_of(dir)) add_line(into, "commit", commit->text());
  if (!path.empty()) add_line(into, "path", path);
  const RepoPtr repo = context.view.library().find(*dir.key);
  if (repo) {
    add_line(into, "family", repo->family);
    add_line(into, "type", repo->type);
  }
  add_line(into, "source", "auto-downloaded");
  into["pinned"] = context.view.memory().is_pinned(*dir.key) ? "1" : "0";
}

Attributes file_attributes(FuseContext& context, const Node& node) {
  Attributes all;
  for (const Dentry& name : context.inodes.names_of(node.id)) {
    const NodePtr parent = context.inodes.find(name.parent);
    if (!parent || !parent->dir) continue;
    add_place(context, *parent->dir, parent->dir->path.empty() ? name.name : parent->dir->path + "/" + name.name, all);
  }
  const auto target = resolve_file(context, node);
  if (!target || target->file == nullptr) return all;
  const TreeFile& file = *target->file;
  std::string state = state_name(file.state);
  std::uint64_t cached = file.state == FileState::kPartial ? file.partial_bytes : file.state == FileState::kRemote ? 0 : file.size;
  std::string error = context.error_of(file.identity);
  std::string fetch = state;
  if (file.etag) {
    all["etag"] = file.etag->text();
    if (const FetchFilePtr active = context.engine.find(target->tree->repo()->key, *file.etag)) {
      cached = active->present_bytes();
      state = active->phase() == FetchFile::Phase::kComplete ? "cached" : cached > 0 ? "partial" : "remote";
      fetch = active->phase() == FetchFile::Phase::kFilling ? "fetching" : state;
      if (active->phase() == FetchFile::Phase::kFailed) error = active->error().message;
      if (const std::string words = active->hindrance(); !words.empty()) error = words;
    }
  }
  all["state"] = state;
  all["cached_bytes"] = std::to_string(cached);
  all["fetch"] = fetch;
  if (!error.empty()) all["error"] = error;
  return all;
}

Attributes attributes_of(FuseContext& context, const Node& node) {
  if (!node.dir) return file_attributes(context, node);
  Attributes all;
  if (node.dir->kind == DirSpec::Kind::kRevision) add_place(context, *node.dir, node.dir->path, all);
  if (const std::string error = context.error_of(FuseContext::place_identity(context.inodes.path_of(node.id))); !error.empty()) {
    all["error"] = error;
  }
  return all;
}

void reply_value(fuse_req_t request, const std::string& value, size_t size) {
  if (size == 0) {
    fuse_reply_xattr(request, value.size());
  } else if (size < value.size()) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, value.data(), value.size());
  }
}

bool is_kernel_namespace(std::string_view name) { return name.starts_with("security.") || name.starts_with("system."); }

void op_getxattr(fuse_req_t request, fuse_ino_t id, const char* name, size_t size) {
  FuseContext& context = context_of(request);
  if (is_kernel_namespace(name)) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  const std::string_view full = name;
  const NodePtr node = full.starts_with(kPrefix) ? context.inodes.find(id) : nullptr;
  if (!node) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  const Attributes all = attributes_of(context, *node);
  const auto it = all.find(std::string(full.substr(kPrefix.size())));
  if (it == all.end()) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  reply_value(request, it->second, size);
}

void op_listxattr(fuse_req_t request, fuse_ino_t id, size_t size) {
  FuseContext& context = context_of(request);
  std::string names;
  if (const NodePtr node = context.inodes.find(id)) {
    for (const auto& [name, value] : attributes_of(context, *node)) {
      names += kPrefix;
      names += name;
      names.push_back('\0');
    }
  }
  reply_value(request, names, size);
}

void start_fetch(FuseContext& context, const DirSpec& parent, const RevisionTreePtr& tree, const TreeFile& file) {
  if (file.state == FileState::kCached || file.state == FileState::kRealFile) return;
  Target target;
  target.tree = tree;
  target.file = &file;
  const auto wanted = fetch_target(context.view, parent, target);
  if (!wanted) return;
  context.engine.fetch_all(*wanted, [&context, identity = file.identity, path = file.path](const Status& done) {
    if (!done) {
      context.set_error(identity, done.error().message);
      log::warn("fetch of " + path + ": " + done.error().message);
    }
  });
}

Status set_fetch(FuseContext& context, const Node& node) {
  if (node.dir) {
    const RevisionTreePtr tree = context.view.tree_of(*node.dir);
    if (!tree) return fail(ErrorKind::kNotFound, "nothing to fetch here");
    const std::string prefix = node.dir->path.empty() ? std::string() : node.dir->path + "/";
    for (const TreeFile* file : tree->files()) {
      if (file->path.starts_with(prefix)) start_fetch(context, *node.dir, tree, *file);
    }
    return {};
  }
  const auto place = resolve_place(context, node);
  if (!place) return fail(ErrorKind::kStale, "the file is gone");
  start_fetch(context, place->parent, place->target.tree, *place->target.file);
  return {};
}

Status stop_fetch(FuseContext& context, const Node& node) {
  const auto target = node.dir ? std::nullopt : resolve_file(context, node);
  if (!target || !target->file->etag) return fail(ErrorKind::kUnsupported, "only the fetch of a file can be stopped");
  if (const FetchFilePtr file = context.engine.find(target->tree->repo()->key, *target->file->etag)) context.engine.stop_filling(file);
  return {};
}

Status set_pinned(FuseContext& context, const Node& node, bool pinned) {
  std::optional<RepoKey> key = node.dir ? node.dir->key : std::nullopt;
  if (!node.dir) {
    if (const auto place = resolve_place(context, node)) key = place->parent.key;
  }
  if (!key || !context.view.library().find(*key)) return fail(ErrorKind::kUnsupported, "only a cached model can be pinned");
  return context.view.memory().change([&](RememberedRepos& repos) { repos[key->text()].pinned = pinned; });
}

void op_setxattr(fuse_req_t request, fuse_ino_t id, const char* name, const char* value, size_t size, int /*flags*/) {
  FuseContext& context = context_of(request);
  const NodePtr node = context.inodes.find(id);
  const std::string_view full = name;
  const std::string_view text(value, size);
  const bool boolean = text == "0" || text == "1";
  Status done;
  if (!node) {
    done = fail(ErrorKind::kStale, "gone");
  } else if (is_kernel_namespace(full)) {
    done = fail(ErrorKind::kUnsupported, "not supported");
  } else if (context.options.read_only || !full.starts_with(kPrefix)) {
    done = fail(ErrorKind::kReadOnly, "only user.hubfs.pinned and user.hubfs.fetch can be set");
  } else if (full == "user.hubfs.pinned") {
    done = boolean ? set_pinned(context, *node, text == "1") : fail(ErrorKind::kInvalid, "pinned takes 0 or 1");
  } else if (full == "user.hubfs.fetch") {
    done = !boolean ? fail(ErrorKind::kInvalid, "fetch takes 1, or 0 to stop") : text == "1" ? set_fetch(context, *node) : stop_fetch(context, *node);
  } else {
    done = fail(ErrorKind::kReadOnly, "this attribute cannot be set");
  }
  if (!done) return reply_error(request, "setxattr", done.error());
  fuse_reply_err(request, 0);
}

void op_removexattr(fuse_req_t request, fuse_ino_t /*id*/, const char* name) {
  fuse_reply_err(request, is_kernel_namespace(name) ? EOPNOTSUPP : EROFS);
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& ops) {
  ops.getxattr = op_getxattr;
  ops.listxattr = op_listxattr;
  ops.setxattr = op_setxattr;
  ops.removexattr = op_removexattr;
}

}  // namespace hubfs
