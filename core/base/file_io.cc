// SPDX-License-Identifier: Apache-2.0
#include "core/base/file_io.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/base/plain_path.h"

namespace hubfs {

Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return fail_errno(path);
  return fd;
}

Result<std::string> read_small_file(int dir_fd, const std::string& path, std::size_t limit) {
  auto fd = open_beneath(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return std::unexpected(fd.error());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return fail_errno(path);
  if (!S_ISREG(st.st_mode)) return fail(ErrorKind::kInvalid, path + ": not a regular file");
  if (st.st_size < 0 || static_cast<std::uint64_t>(st.st_size) > limit) {
    return fail(ErrorKind::kInvalid, path + ": larger than " + std::to_string(limit) + " bytes");
  }
  std::string content;
  content.resize(static_cast<std::size_t>(st.st_size));
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t n = ::read(fd->get(), content.data() + have, content.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  content.resize(have);
  return content;
}

std::string random_hex8() {
  std::uint32_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) value = static_cast<std::uint32_t>(::getpid());
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

Status write_file_atomic(int dir_fd, const std::string& path, std::string_view content, mode_t mode, bool sync,
                         bool exact_mode) {
  const auto parent = open_parent(dir_fd, path);
  if (!parent) return std::unexpected(parent.error());
  const std::string name = base_of(path);
  const std::string temp = name + "." + random_hex8() + ".tmp";
  UniqueFd fd(::openat(parent->get(), temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno(path);
  Status status = pwrite_all(fd.get(), std::as_bytes(std::span(content.data(), content.size())), 0);
  if (status && exact_mode && ::fchmod(fd.get(), mode) != 0) status = fail_errno(path);
  if (status && sync && ::fsync(fd.get()) != 0) status = fail_errno("fsync " + path);
  if (status && ::renameat(parent->get(), temp.c_str(), parent->get(), name.c_str()) != 0) {
    status = fail_errno("rename to " + path);
  }
  if (!status) ::unlinkat(parent->get(), temp.c_str(), 0);
  return status;
}

Status make_dirs_at(int dir_fd, const std::string& path, mode_t mode) {
  if (open_plain(dir_fd, path, O_PATH | O_DIRECTORY)) return {};
  UniqueFd above;
  for (std::size_t at = 0; at != std::string::npos;) {
    const std::size_t end = path.find('/', at);
    const std::string prefix = path.substr(0, end);
    const std::string part = base_of(prefix);
    const int in = above ? above.get() : dir_fd;
    if (::mkdirat(in, part.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("mkdir " + prefix);
    auto made = open_plain(in, part, O_PATH | O_DIRECTORY);
    // A link is as little a folder as a file is.
    if (!made) return fail_errno("mkdir " + prefix, made.error().sys_errno == ELOOP ? ENOTDIR : made.error().sys_errno);
    above = std::move(*made);
    at = end == std::string::npos ? end : end + 1;
  }
  return {};
}

Status pread_all(int fd, std::span<std::byte> into, std::uint64_t offset) {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("pread");
    if (n == 0) return fail(ErrorKind::kBadContent, "file is shorter than expected");
    into = into.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Status pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("pwrite");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<std::string> read_link_at(int dir_fd, const std::string& path) {
  std::string target(4096, '\0');
  const ssize_t n = ::readlinkat(dir_fd, path.c_str(), target.data(), target.size());
  if (n < 0) return fail_errno(path);
  target.resize(static_cast<std::size_t>(n));
  return target;
}

}  // namespace hubfs
