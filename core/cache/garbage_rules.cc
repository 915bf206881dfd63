// SPDX-License-Identifier: Apache-2.0
#include "core/cache/garbage_rules.h"

#include <algorithm>
#include <cerrno>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/shared_store.h"

namespace hubfs {

namespace {

constexpr std::string_view kPythonTemporary = "tmp";  // tempfile's prefix, with eight of [a-z0-9_] behind it
constexpr std::size_t kPythonRandom = 8;
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr int kMaxDepth = 200;

bool is_python_temporary(std::string_view name) {
  if (!name.starts_with(kPythonTemporary) || name.size() != kPythonTemporary.size() + kPythonRandom) return false;
  name.remove_prefix(kPythonTemporary.size());
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::uint64_t bytes_in(int fd, int depth) {
  std::uint64_t bytes = 0;
  const auto names = read_dir(fd);
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind == NameKind::kFolder) {
      const auto sub = depth < kMaxDepth ? open_dir(fd, name.name) : fail(ErrorKind::kInvalid, "too deep");
      if (sub) bytes += bytes_in(sub->get(), depth + 1);
    } else if (const auto st = lstat_at(fd, name.name)) {
      bytes += bytes_of_name(*st);
    }
  }
  return bytes;
}

bool payload_is_missing(const CacheRoot& root, const XetHash& hash) {
  return has_shared_store(root) && !lstat_at(root.fd(), layout::payload(hash)) && errno == ENOENT;
}

}  // namespace

std::string_view name_of(GarbageKind kind) {
  switch (kind) {
    case GarbageKind::kOrphanBlob:
      return "orphan-blob";
    case GarbageKind::kIncomplete:
      return "incomplete";
    case GarbageKind::kTransient:
      return "transient";
    case GarbageKind::kProbeFolder:
      return "probe-folder";
    case GarbageKind::kTemporary:
      return "temporary";
    case GarbageKind::kDanglingBlob:
      return "dangling-blob";
    case GarbageKind::kDanglingEntry:
      return "dangling-entry";
    case GarbageKind::kDeadRef:
      return "dead-ref";
    case GarbageKind::kEmptyFolder:
      return "empty-folder";
    case GarbageKind::kPayload:
      return "payload";
    case GarbageKind::kTrash:
      return "trash";
    case GarbageKind::kKept:
      return "kept";
    case GarbageKind::kPartial:
      return "partial";
  }
  return "";
}

bool is_old(const struct stat& st, const GarbageOptions& options) {
  return std::max(st.st_mtim.tv_sec, st.st_ctim.tv_sec) + options.min_age_s <= options.now_s;
}

std::uint64_t bytes_of_name(const struct stat& st) {
  return S_ISREG(st.st_mode) && st.st_nlink == 1 ? static_cast<std::uint64_t>(st.st_blocks) * 512 : 0;
}

std::uint64_t bytes_of_tree(int dir_fd, const std::string& name) {
  const auto st = lstat_at(dir_fd, name);
  if (!st) return 0;
  if (!S_ISDIR(st->st_mode)) return bytes_of_name(*st);
  const auto fd = open_dir(dir_fd, name);
  return fd ? bytes_in(fd->get(), 0) : 0;
}

std::optional<BlobId> etag_guarding(std::string_view blob_name) {
  switch (layout::classify_blob_name(blob_name)) {
    case layout::BlobDirEntry::kBlob:
      return BlobId::parse(blob_name);
    case layout::BlobDirEntry::kIncomplete:
      return layout::etag_of_incomplete(blob_name);
    case layout::BlobDirEntry::kTransient:
      // ".<etag>.<8 hex>.shared" and its like; a probe's name names no blob.
      if (!blob_name.starts_with('.')) return std::nullopt;
      blob_name.remove_prefix(1);
      return BlobId::parse(blob_name.substr(0, blob_name.find('.')));
    case layout::BlobDirEntry::kUnknown:
      return std::nullopt;
  }
  return std::nullopt;
}

bool blob_is_missing(const CacheRoot& root, const RepoKey& key, const BlobId& etag, LinkTargets& targets) {
  const std::string path = layout::blob(key, etag);
  const auto st = lstat_at(root.fd(), path);
  if (!st) return errno == ENOENT;
  if (!S_ISLNK(st->st_mode)) return false;
  const auto target = read_link_plain(root.fd(), path);
  if (!target || target->empty()) return false;
  const auto hash = targets.payload(path, *target);
  return hash && payload_is_missing(root, *hash);
}

bool entry_dangles(const CacheRoot& root, const RepoKey& key, const std::string& path, LinkTargets& targets,
                   std::optional<BlobId>& etag) {
  const auto target = read_link_plain(root.fd(), path);
  if (!target || target->empty()) return false;
  etag = targets.blob(path, *target);
  // A repo without its folder of blobs may be one that is half unmounted.
  if (etag) return lstat_at(root.fd(), layout::blobs_dir(key)) && blob_is_missing(root, key, *etag, targets);
  const auto hash = targets.payload(path, *target);
  return hash && payload_is_missing(root, *hash);
}

bool is_probe_folder(int dir_fd, const std::string& name) {
  if (!is_python_temporary(name)) return false;
  const auto names = read_dir_at(dir_fd, name);
  return names && std::all_of(names->begin(), names->end(), [](const NameInDir& entry) {
           return entry.kind != NameKind::kFolder && (entry.name == "dummy_file_src" || entry.name == "dummy_file_dst");
         });
}

bool is_leftover_name(std::string_view name) {
  if (layout::is_temporary_ref_name(name)) return true;
  if (!name.ends_with(kTemporarySuffix)) return false;
  name.remove_suffix(kTemporarySuffix.size());
  return is_python_temporary(name);
}

}  // namespace hubfs
