// SPDX-License-Identifier: Apache-2.0
#include "core/base/process_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/file_io.h"
#include "core/base/unique_fd.h"

namespace hubfs {

namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Result<Dir> open_folder(int dir_fd, const std::string& name) {
  auto fd = open_at(dir_fd, name, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::unexpected(fd.error());
  Dir dir(::fdopendir(fd->get()));
  if (!dir) return fail_errno(name);
  static_cast<void>(fd->release());
  return dir;
}

template <typename Number>
std::optional<Number> number(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Files of /proc say no size, so they are read to their end.
Result<std::string> read_whole(int dir_fd, const std::string& name) {
  const auto fd = open_at(dir_fd, name, O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::read(fd->get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(name);
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

// What the magic link leads to, from what the kernel has at hand: file systems are not asked.
std::optional<FileIdentity> identity_of(int dir_fd, const std::string& name) {
  struct statx st{};
  if (::statx(dir_fd, name.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st) != 0) return std::nullopt;
  return FileIdentity{makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino};
}

class ProcessLook {
 public:
  ProcessLook(const std::set<FileIdentity>& wanted, int proc_fd, pid_t pid)
      : wanted_(wanted), proc_fd_(proc_fd), pid_(pid), folder_(std::to_string(pid)) {
    for (const FileIdentity& file : wanted) inodes_.insert(file.second);
  }

  // False when we may not.
  bool look() {
    const auto fds = open_folder(proc_fd_, folder_ + "/fd");
    if (!fds) return fds.error().kind != ErrorKind::kAccessDenied;
    const int fd = ::dirfd(fds->get());
    while (const dirent* entry = ::readdir(fds->get())) {
      if (entry->d_name[0] == '.') continue;
      if (const auto file = identity_of(fd, entry->d_name); file && wanted_.contains(*file)) found_.insert(*file);
    }
    const auto maps = read_whole(proc_fd_, folder_ + "/maps");
    if (!maps) return maps.error().kind != ErrorKind::kAccessDenied;
    for (std::size_t at = 0; at < maps->size();) {
      const std::size_t end = std::min(maps->find('\n', at), maps->size());
      mapping(std::string_view(*maps).substr(at, end - at));
      at = end + 1;
    }
    return true;
  }

  void add_to(std::vector<OpenInode>& all) const {
    if (found_.empty()) return;
    const std::string command = name();
    for (const FileIdentity& file : found_) all.push_back({file.first, file.second, pid_, command});
  }

 private:
  // "7f00-7f10 r--s 00000000 fe:01 1234    /path"
  void mapping(std::string_view line) {
    std::string_view words[5];
    for (std::string_view& word : words) {
      const std::size_t end = std::min(line.find(' '), line.size());
      word = line.substr(0, end);
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    const auto inode = number<ino_t>(words[4], 10);
    if (!inode || !inodes_.contains(*inode)) return;
    const std::size_t colon = words[3].find(':');
    if (colon == std::string_view::npos) return;
    const auto major = number<unsigned>(words[3].substr(0, colon), 16);
    const auto minor = number<unsigned>(words[3].substr(colon + 1), 16);
    if (!major || !minor) return;
    const FileIdentity said{makedev(*major, *minor), *inode};
    if (wanted_.contains(said)) {
      found_.insert(said);
    } else if (const auto file = identity_of(proc_fd_, folder_ + "/map_files/" + std::string(words[0]));
               file && wanted_.contains(*file)) {
      // Some file systems (btrfs, overlays) say another device here than stat does.
      found_.insert(*file);
    }
  }

  [[nodiscard]] std::string name() const {
    std::string text = read_whole(proc_fd_, folder_ + "/comm").value_or("");
    if (text.ends_with('\n')) text.pop_back();
    std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text.empty() ? "?" : text;
  }

  const std::set<FileIdentity>& wanted_;
  const int proc_fd_;
  const pid_t pid_;
  const std::string folder_;
  std::set<ino_t> inodes_;
  std::set<FileIdentity> found_;
};

}  // namespace

std::vector<OpenInode> find_open(const std::set<FileIdentity>& wanted, std::size_t* skipped) {
  if (skipped != nullptr) *skipped = 0;
  std::vector<OpenInode> all;
  if (wanted.empty()) return all;
  const auto proc = open_folder(AT_FDCWD, "/proc");
  if (!proc) return all;
  while (const dirent* entry = ::readdir(proc->get())) {
    const auto pid = number<pid_t>(entry->d_name, 10);
    if (!pid) continue;
    ProcessLook process(wanted, ::dirfd(proc->get()), *pid);
    if (!process.look() && skipped != nullptr) ++*skipped;
    process.add_to(all);
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace hubfs
