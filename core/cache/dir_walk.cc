// SPDX-License-Identifier: Apache-2.0
#include "core/cache/dir_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "core/base/file_io.h"

namespace hubfs {

namespace {

// Deeper folders are moved up to the top of the tree before they are emptied, so that a tree of any depth needs few
// descriptors and little stack.
constexpr int kMaxOpenDepth = 32;

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

NameKind kind_of_type(unsigned char type) {
  switch (type) {
    case DT_DIR:
      return NameKind::kFolder;
    case DT_REG:
      return NameKind::kFile;
    case DT_LNK:
      return NameKind::kLink;
    default:
      return NameKind::kOther;
  }
}

NameKind kind_of_mode(mode_t mode) {
  if (S_ISDIR(mode)) return NameKind::kFolder;
  if (S_ISREG(mode)) return NameKind::kFile;
  return S_ISLNK(mode) ? NameKind::kLink : NameKind::kOther;
}

void keep_first(Status& status, Status next) {
  if (status && !next) status = std::move(next);
}

struct TreeRemoval {
  int top_fd;     // deep folders are moved here
  dev_t device;   // never left
  Status status;  // the first failure
};

void remove_names_in(TreeRemoval& removal, int fd, int depth);

void remove_folder(TreeRemoval& removal, int parent_fd, const std::string& name, int depth) {
  auto fd = open_dir(parent_fd, name);
  if (!fd) {
    if (fd.error().sys_errno != ENOENT) keep_first(removal.status, std::unexpected(fd.error()));
    return;
  }
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0) return keep_first(removal.status, fail_errno(name));
  if (st.st_dev != removal.device) return keep_first(removal.status, fail_errno(name, EBUSY));
  if ((st.st_mode & S_IRWXU) != S_IRWXU) ::fchmod(fd->get(), (st.st_mode & 07777U) | S_IRWXU);
  remove_names_in(removal, fd->get(), depth);
  if (::unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    keep_first(removal.status, fail_errno("cannot remove the folder " + name));
  }
}

void remove_names_in(TreeRemoval& removal, int fd, int depth) {
  auto names = read_dir(fd);
  if (!names) return keep_first(removal.status, std::unexpected(names.error()));
  for (const NameInDir& entry : *names) {
    if (entry.kind != NameKind::kFolder) {
      if (::unlinkat(fd, entry.name.c_str(), 0) != 0 && errno != ENOENT) {
        keep_first(removal.status, fail_errno("cannot remove " + entry.name));
      }
    } else if (depth < kMaxOpenDepth ||
               ::renameat(fd, entry.name.c_str(), removal.top_fd, (".deep." + random_hex8()).c_str()) != 0) {
      remove_folder(removal, fd, entry.name, depth + 1);
    }
  }
}

}  // namespace

bool may_pass(int err) { return err == EMFILE || err == ENFILE || err == ENOMEM || err == EIO || err == EAGAIN; }

Result<std::vector<NameInDir>> read_dir(int dir_fd) {
  UniqueFd own(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return fail_errno("cannot read a folder");
  const std::unique_ptr<DIR, DirCloser> dir(::fdopendir(own.get()));
  if (!dir) return fail_errno("cannot read a folder");
  static_cast<void>(own.release());
  std::vector<NameInDir> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    NameKind kind = kind_of_type(entry->d_type);
    if (entry->d_type == DT_UNKNOWN) {
      const auto st = lstat_at(dir_fd, entry->d_name);
      if (!st) continue;
      kind = kind_of_mode(st->st_mode);
    }
    names.push_back({std::string(name), kind});
  }
  if (errno != 0) return fail_errno("cannot read a folder");
  std::sort(names.begin(), names.end(), [](const NameInDir& a, const NameInDir& b) { return a.name < b.name; });
  return names;
}

Result<std::vector<NameInDir>> read_dir_at(int dir_fd, const std::string& path) {
  auto fd = open_dir(dir_fd, path);
  if (!fd && fd.error().sys_errno == ENOENT) return std::vector<NameInDir>{};
  if (!fd) return std::unexpected(fd.error());
  auto names = read_dir(fd->get());
  if (!names) names.error().message = path + ": " + names.error().message;
  return names;
}

Status remove_tree(int dir_fd, const std::string& name) {
  const auto st = lstat_at(dir_fd, name);
  if (!st) return errno == ENOENT ? Status{} : Status(fail_errno(name));
  if (!S_ISDIR(st->st_mode)) {
    if (::unlinkat(dir_fd, name.c_str(), 0) != 0 && errno != ENOENT) return fail_errno("cannot remove " + name);
    return {};
  }
  auto top = open_dir(dir_fd, name);
  if (!top) return top.error().sys_errno == ENOENT ? Status{} : Status(std::unexpected(top.error()));
  TreeRemoval removal{top->get(), st->st_dev, {}};
  if ((st->st_mode & S_IRWXU) != S_IRWXU) ::fchmod(top->get(), (st->st_mode & 07777U) | S_IRWXU);
  // Again while folders moved up from the depth turn up; a pass without progress ends with a failure.
  for (int pass = 0; pass < 256; ++pass) {
    remove_names_in(removal, top->get(), 0);
    if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return removal.status;
    if (errno != ENOTEMPTY || !removal.status) break;
  }
  keep_first(removal.status, fail_errno("cannot remove the folder " + name));
  return removal.status;
}

}  // namespace hubfs
