// SPDX-License-Identifier: Apache-2.0
#include "core/base/plain_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "core/base/file_io.h"

namespace hubfs {

namespace {

constexpr int kTries = 8;

// For kernels without openat2 and seccomp filters that refuse it: no symlink, a component at a time.
Result<UniqueFd> open_walking(int dir_fd, const std::string& path, int flags, mode_t mode) {
  UniqueFd current(::openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!current) return fail_errno(path);
  std::string_view rest = path;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    if (part.empty() || part == "..") return fail_errno(path, EXDEV);
    const bool last = slash == std::string_view::npos;
    const int part_flags = last ? flags : (O_PATH | O_DIRECTORY);
    UniqueFd next(::openat(current.get(), part.c_str(), part_flags | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!next) return fail_errno(path);
    if (last) return next;
    current = std::move(next);
    rest.remove_prefix(slash + 1);
  }
}

Result<UniqueFd> open_resolving(int dir_fd, const std::string& path, int flags, mode_t mode, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = resolve;
  // EAGAIN: a rename raced with the walk; the kernel asks for another try.
  for (int tries = 0; tries < kTries; ++tries) {
    const long fd = ::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == EAGAIN || errno == EINTR) continue;
    if (errno == ENOSYS || errno == EPERM) return open_walking(dir_fd, path, flags, mode);
    return fail_errno(path);
  }
  return fail_errno(path, EAGAIN);
}

}  // namespace

Result<UniqueFd> open_plain(int dir_fd, const std::string& path, int flags, mode_t mode) {
  return open_resolving(dir_fd, path, flags | O_NOFOLLOW, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

Result<UniqueFd> open_dir(int dir_fd, const std::string& path) {
  return open_plain(dir_fd, path, O_RDONLY | O_DIRECTORY);
}

Result<UniqueFd> open_parent(int dir_fd, const std::string& path) {
  return open_plain(dir_fd, parent_of(path), O_PATH | O_DIRECTORY);
}

Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags) {
  return open_resolving(dir_fd, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

std::optional<struct stat> lstat_at(int dir_fd, const std::string& path) {
  struct stat st{};
  if (path.find('/') == std::string::npos) {
    if (::fstatat(dir_fd, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    return st;
  }
  const auto fd = open_plain(dir_fd, path, O_PATH);
  if (fd && ::fstat(fd->get(), &st) == 0) return st;
  if (!fd) errno = fd.error().sys_errno;
  return std::nullopt;
}

Result<std::string> read_link_plain(int dir_fd, const std::string& path) {
  // With O_PATH and O_NOFOLLOW a link itself is opened.
  const auto fd = open_plain(dir_fd, path, O_PATH);
  if (!fd) return std::unexpected(fd.error());
  auto target = read_link_at(fd->get(), "");
  if (!target) return fail_errno(path, target.error().sys_errno);
  return target;
}

Status unlink_plain(int dir_fd, const std::string& path, int flags) {
  const auto parent = open_parent(dir_fd, path);
  if (!parent) return std::unexpected(parent.error());
  if (::unlinkat(parent->get(), base_of(path).c_str(), flags) != 0) return fail_errno("cannot remove " + path);
  return {};
}

Status rename_plain(int from_dir_fd, const std::string& from, int to_dir_fd, const std::string& to) {
  const auto from_parent = open_parent(from_dir_fd, from);
  if (!from_parent) return std::unexpected(from_parent.error());
  const auto to_parent = open_parent(to_dir_fd, to);
  if (!to_parent) return std::unexpected(to_parent.error());
  if (::renameat(from_parent->get(), base_of(from).c_str(), to_parent->get(), base_of(to).c_str()) != 0) {
    return fail_errno("cannot rename to " + to);
  }
  return {};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

std::string base_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace hubfs
