// SPDX-License-Identifier: Apache-2.0
#include "core/cache/watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr std::uint32_t kMask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                                IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR | IN_DONT_FOLLOW;
constexpr int kMaxDepth = 200;
constexpr int kReadsAtOnce = 64;

struct KnownFileSystem {
  std::uint32_t magic;
  const char* name;
};
// File systems whose changes from elsewhere (other machines, the server) no inotify event tells.
constexpr std::array kUnwatchable{
    KnownFileSystem{0x00006969, "nfs"},    KnownFileSystem{0x0BD00BD0, "lustre"}, KnownFileSystem{0x65735546, "fuse"},
    KnownFileSystem{0xFF534D42, "cifs"},   KnownFileSystem{0xFE534D42, "smb"},    KnownFileSystem{0x0000517B, "smb"},
    KnownFileSystem{0x01021997, "9p"},     KnownFileSystem{0x00C36400, "ceph"},   KnownFileSystem{0x47504653, "gpfs"},
    KnownFileSystem{0x5346414F, "afs"},    KnownFileSystem{0x73757245, "coda"},   KnownFileSystem{0x01161970, "gfs2"},
    KnownFileSystem{0x7461636F, "ocfs2"},  KnownFileSystem{0x19830326, "beegfs"}, KnownFileSystem{0xAAD7AAEA, "panfs"},
    KnownFileSystem{0x786F4256, "vboxsf"},
};

void erase_value(auto& values, auto value) {
  values.erase(std::remove(values.begin(), values.end(), value), values.end());
}

void add_folders_below(int fd, const WatchDir& dir, int depth, std::vector<WatchDir>& found) {
  found.push_back(dir);
  const auto names = depth < kMaxDepth ? read_dir(fd) : std::vector<NameInDir>{};
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind != NameKind::kFolder) continue;
    const auto sub = open_dir(fd, name.name);
    if (sub) add_folders_below(sub->get(), {dir.path + "/" + name.name, dir.kind, dir.commit}, depth + 1, found);
  }
}

}  // namespace

std::optional<std::string> unwatchable(int fd) {
  struct statfs st{};
  if (::fstatfs(fd, &st) != 0) return std::nullopt;
  const auto magic = static_cast<std::uint32_t>(st.f_type);
  const auto* known =
      std::find_if(kUnwatchable.begin(), kUnwatchable.end(), [&](const auto& each) { return each.magic == magic; });
  if (known == kUnwatchable.end()) return std::nullopt;
  return known->name;
}

Result<std::unique_ptr<CacheWatch>> CacheWatch::create(Names names) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd) return std::unique_ptr<CacheWatch>(new CacheWatch(std::move(fd), names));
  if (errno != EMFILE && errno != ENOSYS && errno != EPERM) return fail_errno("inotify");
  return fail(
      ErrorKind::kUnsupported,
      "inotify is not to be had (" + std::generic_category().message(errno) +
          "): the limit of fs.inotify.max_user_instances may be reached; the cache is looked at from time to time");
}

Status CacheWatch::add_dir(int dir_fd, const std::string& path, std::uint64_t tag) {
  const auto folder = open_plain(dir_fd, path, O_PATH | O_DIRECTORY);
  if (!folder) return std::unexpected(folder.error());
  if (const auto name = unwatchable(folder->get())) {
    return fail(ErrorKind::kUnsupported, path + ": on a file system (" + *name +
                                             ") whose changes cannot be watched; it is looked at from time to time");
  }
  // By the descriptor and not by the path again, which could have become a link in between.
  const std::string through = "/proc/self/fd/" + std::to_string(folder->get()) + "/.";
  const MutexLock lock(mutex_);
  const int watch = ::inotify_add_watch(fd_.get(), through.c_str(), kMask);
  if (watch < 0) {
    const int err = errno;
    if (err == ENOSPC || err == ENOMEM) {
      return fail(ErrorKind::kUnsupported, path +
                                               ": no inotify watches are left (raise fs.inotify.max_user_watches); the "
                                               "cache is looked at from time to time");
    }
    if (err == ENOENT && ::access("/proc/self/fd", F_OK) != 0) {
      return fail(ErrorKind::kUnsupported, "watching the cache needs /proc");
    }
    return fail_errno("cannot watch " + path, err);
  }
  auto& tags = tags_[watch];
  if (std::find(tags.begin(), tags.end(), tag) == tags.end()) {
    tags.push_back(tag);
    watches_[tag].push_back(watch);
  }
  return {};
}

void CacheWatch::remove_tag(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  const auto found = watches_.find(tag);
  if (found == watches_.end()) return;
  for (const int watch : found->second) {
    auto& tags = tags_[watch];
    erase_value(tags, tag);
    if (!tags.empty()) continue;
    tags_.erase(watch);
    ::inotify_rm_watch(fd_.get(), watch);
  }
  watches_.erase(found);
}

std::size_t CacheWatch::size() const {
  const MutexLock lock(mutex_);
  return tags_.size();
}

std::vector<std::uint64_t> CacheWatch::tags_of(int watch, bool ended) {
  const MutexLock lock(mutex_);
  const auto found = tags_.find(watch);
  if (found == tags_.end()) return {};
  std::vector<std::uint64_t> tags = found->second;
  if (!ended) return tags;
  tags_.erase(found);
  for (const std::uint64_t tag : tags) {
    auto& watches = watches_[tag];
    erase_value(watches, watch);
    if (watches.empty()) watches_.erase(tag);
  }
  return tags;
}

void CacheWatch::drain(const std::function<void(const WatchEvent&)>& each) {
  alignas(inotify_event) std::array<char, std::size_t{64} << 10U> buffer;
  // What is left then keeps fd() readable: a flood of events must not keep the owner here.
  for (int reads = 0; reads < kReadsAtOnce; ++reads) {
    const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(n);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* text = buffer.data() + at + sizeof event;
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        each({.tag = 0, .mask = event.mask, .name = {}, .overflow = true});
        continue;
      }
      const std::string_view name(text, event.len > 0 ? ::strnlen(text, event.len) : 0);
      const bool ended = (event.mask & IN_IGNORED) != 0;
      if (names_ == Names::kFinal && !name.empty() && layout::is_temporary_name(name)) continue;
      for (const std::uint64_t tag : tags_of(event.wd, ended)) {
        // The end of the folder came before as an event of its own.
        if (!ended) each({.tag = tag, .mask = event.mask, .name = name, .overflow = false});
      }
    }
  }
}

Result<std::vector<WatchDir>> watch_dirs(const CacheRoot& root, const RepoKey& key,
                                         const std::vector<CommitHash>& loaded) {
  const auto repo = open_dir(root.fd(), layout::repo_folder(key));
  if (!repo) return std::unexpected(repo.error());
  std::vector<WatchDir> found{{layout::repo_folder(key), WatchKind::kRepo, std::nullopt}};
  const auto add = [&](WatchDir dir, bool below) {
    const auto fd = open_dir(root.fd(), dir.path);
    if (!fd) return;
    if (below) {
      add_folders_below(fd->get(), dir, 0, found);
    } else {
      found.push_back(std::move(dir));
    }
  };
  add({layout::refs_dir(key), WatchKind::kRefs, std::nullopt}, true);
  add({layout::snapshots_dir(key), WatchKind::kSnapshots, std::nullopt}, false);
  add({layout::blobs_dir(key), WatchKind::kBlobs, std::nullopt}, false);
  add({layout::trees_dir(key), WatchKind::kListings, std::nullopt}, false);
  for (const CommitHash& commit : loaded) add({layout::snapshot(key, commit), WatchKind::kSnapshot, commit}, true);
  return found;
}

}  // namespace hubfs
