// SPDX-License-Identifier: Apache-2.0
//
// The system calls of hubfs-faulty, through which the linker (--wrap) leads every call of the program's own objects. The
// names are those of wrapped_calls.txt, which tests/faulty/check_calls.py compares with what the program uses.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>

#include "tests/faulty/fault_plan.h"

using hubfs::faulty::Kind;
using hubfs::faulty::place_of;
using hubfs::faulty::Step;

namespace {

constexpr int kMakes = O_CREAT | O_TRUNC;

Kind kind_of_open(int flags) {
  return (flags & kMakes) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? Kind::kChange : Kind::kLook;
}

int failed(int error) {
  errno = error;
  return -1;
}

}  // namespace

// A call that is `real` with these arguments unless the step says otherwise.
#define HUBFS_CALL(name, kind, place, real)             \
  do {                                                  \
    const Step step(name, kind, place);                 \
    return step.error != 0 ? failed(step.error) : real; \
  } while (false)

extern "C" {

int __real_fchmod(int, mode_t);
int __real_fchown(int, uid_t, gid_t);
DIR* __real_fdopendir(int);
int __real_flock(int, int);
int __real_fstatat64(int, const char*, struct stat*, int);
int __real_fsync(int);
int __real_ftruncate64(int, off_t);
int __real_futimens(int, const struct timespec*);
int __real_mkdir(const char*, mode_t);
int __real_mkdirat(int, const char*, mode_t);
int __real_open64(const char*, int, ...);
int __real_openat64(int, const char*, int, ...);
ssize_t __real_pread64(int, void*, size_t, off_t);
ssize_t __real_pwrite64(int, const void*, size_t, off_t);
ssize_t __real_read(int, void*, size_t);
ssize_t __real_readlinkat(int, const char*, char*, size_t);
int __real_renameat(int, const char*, int, const char*);
int __real_renameat2(int, const char*, int, const char*, unsigned);
int __real_rmdir(const char*);
int __real_symlinkat(const char*, int, const char*);
long __real_syscall(long, ...);
int __real_unlinkat(int, const char*, int);
ssize_t __real_write(int, const void*, size_t);

int __wrap_fchmod(int fd, mode_t mode) { HUBFS_CALL("fchmod", Kind::kChange, place_of(fd), __real_fchmod(fd, mode)); }
int __wrap_fchown(int fd, uid_t uid, gid_t gid) {
  HUBFS_CALL("fchown", Kind::kChange, place_of(fd), __real_fchown(fd, uid, gid));
}
DIR* __wrap_fdopendir(int fd) {
  const Step step("fdopendir", Kind::kLook, place_of(fd));
  if (step.error == 0) return __real_fdopendir(fd);
  errno = step.error;
  return nullptr;
}
int __wrap_flock(int fd, int operation) {
  HUBFS_CALL("flock", Kind::kLook, place_of(fd), __real_flock(fd, operation));
}
int __wrap_fstatat64(int dir, const char* path, struct stat* st, int flags) {
  HUBFS_CALL("fstatat", Kind::kLook, place_of(dir, path), __real_fstatat64(dir, path, st, flags));
}
int __wrap_fsync(int fd) { HUBFS_CALL("fsync", Kind::kChange, place_of(fd), __real_fsync(fd)); }
int __wrap_ftruncate64(int fd, off_t size) {
  HUBFS_CALL("ftruncate", Kind::kChange, place_of(fd), __real_ftruncate64(fd, size));
}
int __wrap_futimens(int fd, const struct timespec* times) {
  HUBFS_CALL("futimens", Kind::kChange, place_of(fd), __real_futimens(fd, times));
}
int __wrap_mkdir(const char* path, mode_t mode) {
  HUBFS_CALL("mkdir", Kind::kChange, place_of(AT_FDCWD, path), __real_mkdir(path, mode));
}
int __wrap_mkdirat(int dir, const char* path, mode_t mode) {
  HUBFS_CALL("mkdirat", Kind::kChange, place_of(dir, path), __real_mkdirat(dir, path, mode));
}
int __wrap_open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
  va_end(more);
  HUBFS_CALL("open", kind_of_open(flags), place_of(AT_FDCWD, path), __real_open64(path, flags, mode));
}
int __wrap_openat64(int dir, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
  va_end(more);
  HUBFS_CALL("openat", kind_of_open(flags), place_of(dir, path), __real_openat64(dir, path, flags, mode));
}
ssize_t __wrap_pread64(int fd, void* into, size_t size, off_t offset) {
  HUBFS_CALL("pread", Kind::kLook, place_of(fd), __real_pread64(fd, into, size, offset));
}
ssize_t __wrap_pwrite64(int fd, const void* bytes, size_t size, off_t offset) {
  HUBFS_CALL("pwrite", Kind::kChange, place_of(fd), __real_pwrite64(fd, bytes, size, offset));
}
ssize_t __wrap_read(int fd, void* into, size_t size) {
  HUBFS_CALL("read", Kind::kLook, place_of(fd), __real_read(fd, into, size));
}
ssize_t __wrap_readlinkat(int dir, const char* path, char* into, size_t size) {
  HUBFS_CALL("readlinkat", Kind::kLook, place_of(dir, path), __real_readlinkat(dir, path, into, size));
}
int __wrap_renameat(int from_dir, const char* from, int to_dir, const char* to) {
  HUBFS_CALL("renameat", Kind::kChange, place_of(from_dir, from), __real_renameat(from_dir, from, to_dir, to));
}
int __wrap_renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  HUBFS_CALL("renameat2", Kind::kChange, place_of(from_dir, from), __real_renameat2(from_dir, from, to_dir, to, flags));
}
int __wrap_rmdir(const char* path) { HUBFS_CALL("rmdir", Kind::kChange, place_of(AT_FDCWD, path), __real_rmdir(path)); }
int __wrap_symlinkat(const char* target, int dir, const char* path) {
  HUBFS_CALL("symlinkat", Kind::kChange, place_of(dir, path), __real_symlinkat(target, dir, path));
}
int __wrap_unlinkat(int dir, const char* path, int flags) {
  HUBFS_CALL("unlinkat", Kind::kChange, place_of(dir, path), __real_unlinkat(dir, path, flags));
}
ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  HUBFS_CALL("write", Kind::kChange, place_of(fd), __real_write(fd, bytes, size));
}
// The only one of ours that concerns a disk is openat2.
long __wrap_syscall(long number, ...) {
  va_list more;
  va_start(more, number);
  const long a = va_arg(more, long);
  const long b = va_arg(more, long);
  const long c = va_arg(more, long);
  const long d = va_arg(more, long);
  const long e = va_arg(more, long);
  const long f = va_arg(more, long);
  va_end(more);
  if (number == SYS_openat2) {
    const auto* path = reinterpret_cast<const char*>(b);
    const auto flags = static_cast<int>(reinterpret_cast<const open_how*>(c)->flags);
    HUBFS_CALL("openat2", kind_of_open(flags), place_of(static_cast<int>(a), path), __real_syscall(number, a, b, c, d, e, f));
  }
  return __real_syscall(number, a, b, c, d, e, f);
}

}  // extern "C"
