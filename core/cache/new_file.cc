// SPDX-License-Identifier: Apache-2.0
#include "core/cache/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "core/base/file_io.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr mode_t kAskedMode = 0666;

// A file in the folder to look at: nameless where the file system can, else under the name that Python uses for the
// same.
Result<UniqueFd> make_probe(int dir_fd) {
  UniqueFd fd(::openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kAskedMode));
  if (fd) return fd;
  const std::string a = random_hex8();
  const std::string b = random_hex8();
  const std::string name = "tmp_" + random_hex8() + "-" + a.substr(0, 4) + "-4" + a.substr(5) + "-8" + b.substr(0, 3) +
                           "-" + b.substr(4) + random_hex8();
  fd.reset(::openat(dir_fd, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kAskedMode));
  if (!fd) return fail_errno("cannot create a file in a folder of the cache");
  ::unlinkat(dir_fd, name.c_str(), 0);
  return fd;
}

}  // namespace

Status make_like_new(int file_fd, int dir_fd) {
  const auto probe = make_probe(dir_fd);
  if (!probe) return std::unexpected(probe.error());
  struct stat wanted{};
  struct stat have{};
  if (::fstat(probe->get(), &wanted) != 0 || ::fstat(file_fd, &have) != 0) return fail_errno("fstat");
  mode_t mode = wanted.st_mode & 07777U;
  // Without the folder's group, the group bits would open the file to another group than meant.
  if (have.st_gid != wanted.st_gid && ::fchown(file_fd, static_cast<uid_t>(-1), wanted.st_gid) != 0) {
    mode &= ~static_cast<mode_t>(S_IRWXG);
  }
  if (::fchmod(file_fd, mode) != 0) return fail_errno("fchmod");
  return {};
}

StagedName::StagedName(const CacheRoot& root, const RepoKey& key)
    : dir_fd_(root.has_state() ? root.state_fd() : root.fd()),
      path_((root.has_state() ? std::string() : layout::repo_folder(key) + "/") + ".staged." + random_hex8()) {}

StagedName::~StagedName() {
  if (!moved_) ::unlinkat(dir_fd_, path_.c_str(), 0);
}

Status StagedName::move_to(int target_dir_fd, const std::string& name) {
  if (::renameat(dir_fd_, path_.c_str(), target_dir_fd, name.c_str()) != 0)
    return fail_errno("cannot rename to " + name);
  moved_ = true;
  return {};
}

}  // namespace hubfs
