// SPDX-License-Identifier: Apache-2.0
#include "core/cache/shared_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/flock_file.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

constexpr mode_t kOpenToAll = 0666;  // locks and manifests, by the store's protocol
constexpr std::size_t kMaxManifest = std::size_t{64} << 20U;
constexpr useconds_t kPollMicroseconds = 20'000;
constexpr int kSweepLockSeconds = 10;

bool is_repo_like(std::string_view folder) {
  const std::size_t dashes = folder.find("--");
  return dashes != std::string_view::npos && folder.size() > dashes + 2 &&
         repo_type_from_plural(folder.substr(0, dashes));
}

// "<repo folder>/blobs/<name>", wider than parse_blob_path: what other clients would take for a reference is one.
bool is_reference_line(std::string_view line) {
  const std::size_t first = line.find('/');
  if (first == std::string_view::npos || !is_repo_like(line.substr(0, first))) return false;
  line.remove_prefix(first + 1);
  const std::size_t second = line.find('/');
  if (second == std::string_view::npos || line.substr(0, second) != layout::kBlobs) return false;
  line.remove_prefix(second + 1);
  return !line.empty() && line != ".." && line != "." && line.find('/') == std::string_view::npos;
}

enum class Answer { kNo, kYes, kUnknown };

Answer is_link_to(const CacheRoot& root, const std::string& path, const XetHash& hash) {
  const auto st = lstat_at(root.fd(), path);
  if (!st) return errno == ENOENT || errno == ENOTDIR ? Answer::kNo : Answer::kUnknown;
  if (!S_ISLNK(st->st_mode)) return Answer::kNo;
  const auto target = read_link_plain(root.fd(), path);
  if (!target) return target.error().sys_errno == ENOENT ? Answer::kNo : Answer::kUnknown;
  if (const auto named = layout::resolve_link(path, *target, root.path())) {
    return layout::parse_payload_path(*named) == hash ? Answer::kYes : Answer::kNo;
  }
  // Another spelling of the root: a reader follows it all the same.
  struct stat through{};
  const auto payload = lstat_at(root.fd(), layout::payload(hash));
  if (::fstatat(root.fd(), path.c_str(), &through, AT_NO_AUTOMOUNT) != 0) {
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? Answer::kNo : Answer::kUnknown;
  }
  const bool same = payload && through.st_dev == payload->st_dev && through.st_ino == payload->st_ino;
  return same ? Answer::kYes : Answer::kNo;
}

Status rewrite_manifest(const CacheRoot& root, const XetHash& hash, const std::set<std::string>& references) {
  std::string content;
  for (const std::string& line : references) content += line + "\n";
  const std::string path = layout::payload_manifest(hash);
  const auto old = read_small_file(root.fd(), path, kMaxManifest);
  if (old && *old == content) return {};
  const std::string temp = path + "." + random_hex8() + ".tmp";
  auto fd = open_plain(root.fd(), temp, O_WRONLY | O_CREAT | O_EXCL, kOpenToAll);
  if (!fd) return std::unexpected(fd.error());
  Status status = pwrite_all(fd->get(), std::as_bytes(std::span(content.data(), content.size())), 0);
  if (status && ::fchmod(fd->get(), kOpenToAll) != 0) status = fail_errno(temp);
  if (status && ::fsync(fd->get()) != 0) status = fail_errno(temp);
  if (status) status = rename_plain(root.fd(), temp, root.fd(), path);
  if (!status) static_cast<void>(unlink_plain(root.fd(), temp));
  return status;
}

}  // namespace

bool has_shared_store(const CacheRoot& root) {
  const std::string marker(layout::kSharedMarker);
  auto fd = open_plain(root.fd(), marker, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return false;
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  const auto content = read_small_file(root.fd(), marker, 64);
  return content && *content == layout::kSharedMarkerContent;
}

std::optional<struct stat> stat_payload(const CacheRoot& root, const XetHash& hash) {
  auto fd = open_plain(root.fd(), layout::payload(hash), O_PATH);
  struct stat st{};
  if (!fd || ::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  return st;
}

Result<PayloadLock> PayloadLock::acquire(const CacheRoot& root, const XetHash& hash, int seconds) {
  const std::string path = layout::payload_lock(hash);
  for (int waited = 0;; waited += static_cast<int>(kPollMicroseconds)) {
    auto fd = try_flock_file(root.fd(), path, kOpenToAll);
    if (!fd) return std::unexpected(fd.error());
    if (*fd) return PayloadLock(std::move(*fd));
    if (waited >= seconds * 1'000'000) return fail(ErrorKind::kBusy, path + ": held by another program");
    ::usleep(kPollMicroseconds);
  }
}

std::optional<std::set<std::string>> valid_references(const CacheRoot& root, const XetHash& hash) {
  const std::string manifest = layout::payload_manifest(hash);
  auto fd = open_plain(root.fd(), manifest, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return std::nullopt;
  const auto content = read_small_file(root.fd(), manifest, kMaxManifest);
  if (!content) return std::nullopt;
  // References are ASCII by construction. Other bytes are a damaged manifest, which may have lost a line.
  if (std::any_of(content->begin(), content->end(),
                  [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == 0; })) {
    return std::nullopt;
  }
  std::set<std::string> references;
  std::string_view rest = *content;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!is_reference_line(line)) continue;
    const Answer answer = is_link_to(root, line, hash);
    if (answer == Answer::kUnknown) return std::nullopt;
    if (answer == Answer::kYes) references.insert(line);
  }
  return references;
}

Result<std::uint64_t> sweep_payload(const CacheRoot& root, const XetHash& hash) {
  // The lock file lies beside the payload: without a payload none is made.
  if (!has_shared_store(root) || !stat_payload(root, hash)) return 0;
  auto lock = PayloadLock::acquire(root, hash, kSweepLockSeconds);
  if (!lock) return std::unexpected(lock.error());
  const auto references = valid_references(root, hash);
  if (!references) {
    log::info(layout::payload(hash) + ": kept, since its references cannot be told");
    return 0;
  }
  if (!references->empty()) {
    if (auto status = rewrite_manifest(root, hash, *references); !status) return std::unexpected(status.error());
    return 0;
  }
  const auto st = stat_payload(root, hash);
  if (!st) return 0;
  if (auto done = unlink_plain(root.fd(), layout::payload(hash)); !done) return std::unexpected(done.error());
  static_cast<void>(unlink_plain(root.fd(), layout::payload_manifest(hash)));
  return st->st_nlink == 1 ? static_cast<std::uint64_t>(st->st_blocks) * 512 : 0;
}

}  // namespace hubfs
