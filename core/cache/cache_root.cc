// SPDX-License-Identifier: Apache-2.0
#include "core/cache/cache_root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "core/base/file_io.h"
#include "core/cache/state_folder.h"

namespace hubfs {

namespace {

// A folder that has been removed: whatever is asked of it is not there, and nothing can be made in it.
UniqueFd dead_folder() {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / ("hubfs-nothing-" + random_hex8())).string();
  if (error || ::mkdir(name.c_str(), 0700) != 0) return {};
  UniqueFd fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  ::rmdir(name.c_str());
  return fd;
}

// The number stays, so that whoever uses it at this moment gets one folder or the other, and never a closed descriptor.
bool swap_in(const UniqueFd& number, const UniqueFd& other) {
  return other && ::dup3(other.get(), number.get(), O_CLOEXEC) >= 0;
}

// Length of the part of a resolved path that is the mount it lies in; nullopt where the kernel cannot tell.
std::optional<std::size_t> mount_depth(const std::string& path) {
  for (std::size_t length = path.size(); length > 0; length = path.rfind('/', length - 1)) {
    if (length == std::string::npos) break;
    const std::string prefix = path.substr(0, length);
    struct statx st{};
    if (::statx(AT_FDCWD, prefix.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) != 0) continue;
    if ((st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0) return std::nullopt;
    if ((st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return length;
  }
  return 0;
}

bool same_folder(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

Result<std::shared_ptr<const CacheRoot>> CacheRoot::open(const std::string& path, bool create) {
  if (path.empty() || path.front() != '/') {
    return fail(ErrorKind::kInvalid, "the cache root \"" + path + "\" is not an absolute path");
  }
  if (create) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return fail_errno("cannot create the cache root " + path, error.value());
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) {
    return std::unexpected(Error{ErrorKind::kNotFound,
                                 "there is no cache at " + path + " yet. Create it with: mkdir -p '" + path +
                                     "' (or let any Hugging Face client download something)",
                                 ENOENT});
  }
  if (!fd) return fail_errno("cannot open the cache root " + path);
  std::error_code error;
  const std::string resolved = std::filesystem::canonical(path, error).string();
  if (error) return fail_errno("cannot resolve the cache root " + path, error.value());
  const std::shared_ptr<CacheRoot> root(new CacheRoot());
  root->path_ = resolved;
  struct stat st{};
  if (::fstat(fd.get(), &st) == 0) root->device_ = st.st_dev;
  root->mount_depth_ = mount_depth(resolved);
  root->fd_ = std::move(fd);
  // A number for the state, whether there is one yet or not.
  root->state_fd_.reset(::fcntl(root->fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!root->state_fd_) return fail_errno("cannot open the cache root " + path);
  root->take_state();
  return root;
}

void CacheRoot::take_state() const {
  StateFolder state = find_state(path_, fd_.get());
  const bool found = swap_in(state_fd_, state.fd);
  {
    const MutexLock lock(mutex_);
    state_path_ = found ? std::move(state.path) : std::string();
  }
  state_error_ = state.error;
  has_state_ = found;
}

std::string CacheRoot::state_path() const {
  const MutexLock lock(mutex_);
  return state_path_;
}

Error CacheRoot::no_state() const {
  if (!still_there()) {
    return {ErrorKind::kNotFound, path_ + ": this cache is not there any more (removed, or its volume is not mounted)",
            ENOENT};
  }
  if (state_error_ == EROFS) return {ErrorKind::kReadOnly, path_ + ": this cache is on a read-only volume", EROFS};
  return {ErrorKind::kAccessDenied, path_ + ": this cache cannot be written, so nothing can be downloaded into it", EACCES};
}

bool CacheRoot::may_be_followed(const struct stat& folder) const {
  // The empty folder that a volume was mounted on is no cache, and what is written there is hidden when the volume is
  // back. So only what lies in as deep a mount as before counts, whatever device that is on.
  const auto depth = mount_depth(path_);
  if (!depth || !mount_depth_) return folder.st_dev == device_;
  return *depth >= *mount_depth_;
}

CacheRoot::Change CacheRoot::follow() const {
  struct stat opened{};
  if (::fstat(fd_.get(), &opened) != 0) return Change::kNone;
  const UniqueFd now(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!now && errno != ENOENT && errno != ENOTDIR) return Change::kNone;
  struct stat found{};
  struct stat again{};
  const bool there = now && ::fstat(now.get(), &found) == 0 && may_be_followed(found) &&
                     ::stat(path_.c_str(), &again) == 0 && same_folder(found, again);
  if (there && !gone_ && same_folder(found, opened)) {
    // It could not be written, and may be now.
    if (has_state_ || ::faccessat(fd_.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) return Change::kNone;
    take_state();
    return has_state_ ? Change::kWritable : Change::kNone;
  }
  if (there) {
    has_state_ = false;
    if (!swap_in(fd_, now)) return Change::kNone;
    gone_ = false;
    take_state();
    return Change::kReplaced;
  }
  if (gone_.exchange(true)) return Change::kNone;
  // Let go of it, so that a volume that was detached is really free.
  has_state_ = false;
  const UniqueFd nothing = dead_folder();
  swap_in(state_fd_, nothing);
  swap_in(fd_, nothing);
  return Change::kGone;
}

bool CacheRoot::still_there() const {
  struct stat now{};
  struct stat opened{};
  if (::stat(path_.c_str(), &now) != 0 || ::fstat(fd_.get(), &opened) != 0) return false;
  return same_folder(now, opened);
}

}  // namespace hubfs
