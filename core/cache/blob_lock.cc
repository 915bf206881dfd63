// SPDX-License-Identifier: Apache-2.0
#include "core/cache/blob_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/flock_file.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr mode_t kLockMode = 0664;  // filelock's, set against the umask

// Whether a shared lock can be had: only an exclusive holder prevents it, and two probes do not disturb each other.
// Absent files are free; one that cannot be opened cannot be told and counts as free, as for every other client.
bool is_locked(int dir_fd, const std::string& path) {
  auto fd = open_plain(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return false;
  return ::flock(fd->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// The process that holds a flock on the inode, from lines such as
// "12: FLOCK  ADVISORY  WRITE 4711 fd:01:131090 0 EOF" (proc(5); lines with "->" are waiters).
std::optional<int> pid_of_holder(const struct stat& lock) {
  std::ifstream locks("/proc/locks");
  std::string line;
  while (std::getline(locks, line)) {
    std::istringstream words(line);
    std::string number;
    std::string kind;
    std::string advisory;
    std::string mode;
    std::string place;
    int pid = 0;
    if (!(words >> number >> kind >> advisory >> mode >> pid >> place) || kind != "FLOCK") continue;
    const std::size_t colon = place.rfind(':');
    // The device is left out: some file systems show another one here than in stat.
    if (colon != std::string::npos && place.substr(colon + 1) == std::to_string(lock.st_ino) && pid > 0) return pid;
  }
  return std::nullopt;
}

}  // namespace

std::string BlobLock::holder(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  const auto st = lstat_at(root.fd(), layout::blob_lock(key, etag));
  const auto pid = st ? pid_of_holder(*st) : std::nullopt;
  if (!pid) return "another program";
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(*pid) + "/comm"), name);
  return (name.empty() ? std::string("a program") : name) + " (process " + std::to_string(*pid) + ")";
}

Result<std::optional<BlobLock>> BlobLock::try_acquire(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  if (auto made = make_dirs_at(root.fd(), layout::locks_dir(key), 0777); !made) return std::unexpected(made.error());
  auto fd = try_flock_file(root.fd(), layout::blob_lock(key, etag), kLockMode);
  if (!fd) return std::unexpected(fd.error());
  if (!*fd) return std::optional<BlobLock>();
  return std::optional(BlobLock(std::move(*fd)));
}

bool BlobLock::is_held(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  return is_locked(root.fd(), layout::blob_lock(key, etag));
}

std::vector<BlobId> BlobLock::all_held(const CacheRoot& root, const RepoKey& key) {
  std::vector<BlobId> held;
  auto dir = open_dir(root.fd(), layout::locks_dir(key));
  if (!dir) return held;
  const auto names = read_dir(dir->get());
  if (!names) return held;
  for (const NameInDir& entry : *names) {
    const std::string_view name = entry.name;
    if (entry.kind != NameKind::kFile || !name.ends_with(layout::kLockSuffix)) continue;
    auto etag = BlobId::parse(name.substr(0, name.size() - layout::kLockSuffix.size()));
    if (etag && is_locked(dir->get(), entry.name)) held.push_back(*std::move(etag));
  }
  return held;
}

bool BlobLock::any_held(const CacheRoot& root, const RepoKey& key) { return !all_held(root, key).empty(); }

}  // namespace hubfs
