// SPDX-License-Identifier: Apache-2.0
#include "core/base/file_io.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace hubfs {

namespace {

bool is_dot_component(std::string_view part) { return part == "." || part == ".."; }

// For kernels without openat2 (and seccomp filters that refuse it): every component is opened with O_NOFOLLOW.
Result<UniqueFd> open_walking(int dir_fd, const std::string& path, int flags, mode_t mode) {
  UniqueFd current(::fcntl(dir_fd, F_DUPFD_CLOEXEC, 0));
  if (!current) return fail_errno("dup");
  std::string_view rest = path;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    if (part.empty() || is_dot_component(part)) return fail_errno(path, EXDEV);
    const bool last = slash == std::string_view::npos;
    const int part_flags = last ? flags : (O_PATH | O_DIRECTORY);
    UniqueFd next(::openat(current.get(), part.c_str(), part_flags | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!next) return fail_errno(path);
    if (last) return next;
    current = std::move(next);
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return fail_errno(path);
  return fd;
}

Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: a rename raced with the walk; the kernel asks for another try.
  for (int tries = 0; tries < 8; ++tries) {
    const long fd = ::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == EAGAIN || errno == EINTR) continue;
    if (errno == ENOSYS || errno == EPERM) return open_walking(dir_fd, path, flags, mode);
    return fail_errno(path);
  }
  return fail_errno(path, EAGAIN);
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

Status write_file_atomic(int dir_fd, const std::string& path, std::string_view content, mode_t mode, bool sync) {
  const std::string temp = path + "." + random_hex8() + ".tmp";
  UniqueFd fd(::openat(dir_fd, temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno(temp);
  Status status = pwrite_all(fd.get(), std::as_bytes(std::span(content.data(), content.size())), 0);
  if (status && sync && ::fsync(fd.get()) != 0) status = fail_errno("fsync " + temp);
  if (status && ::renameat(dir_fd, temp.c_str(), dir_fd, path.c_str()) != 0) status = fail_errno("rename to " + path);
  if (!status) ::unlinkat(dir_fd, temp.c_str(), 0);
  return status;
}

Status make_dirs_at(int dir_fd, const std::string& path, mode_t mode) {
  std::size_t end = 0;
  while (end != std::string::npos) {
    end = path.find('/', end + 1);
    const std::string prefix = path.substr(0, end);
    if (::mkdirat(dir_fd, prefix.c_str(), mode) == 0) continue;
    if (errno != EEXIST) return fail_errno("mkdir " + prefix);
    struct stat st {};
    if (::fstatat(dir_fd, prefix.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(prefix);
    if (!S_ISDIR(st.st_mode)) return fail_errno("mkdir " + prefix, ENOTDIR);
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
