// SPDX-License-Identifier: Apache-2.0
#include "core/cache/layout.h"

#include <algorithm>
#include <array>
#include <vector>

namespace hubfs::layout {

namespace {

std::string join(std::string_view a, std::string_view b) {
  std::string out;
  out.reserve(a.size() + 1 + b.size());
  out.append(a).append("/").append(b);
  return out;
}

// Appends the parts of `path` to `parts`, taking "." and ".." textually. False when ".." climbs above the start.
bool append_parts(std::vector<std::string_view>& parts, std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return false;
    } else {
      parts.pop_back();
    }
  }
  return true;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_lower_hex(text.substr(i, 1), 1)) return false;
  }
  return true;
}

constexpr std::string_view kIncompleteSuffix = ".incomplete";
constexpr std::string_view kTempPrefix = "tmp_";
constexpr std::string_view kTempSuffix = ".tmp";

// "<something>.<8 hex><suffix>"
bool has_random_suffix(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  return name.size() > 9 && name[name.size() - 9] == '.' && is_lower_hex(name.substr(name.size() - 8), 8);
}

bool is_staged_link_name(std::string_view name) {
  if (!name.starts_with('.')) return false;
  return has_random_suffix(name, ".shared") || has_random_suffix(name, ".new") || has_random_suffix(name, ".old");
}

}  // namespace

std::string repo_folder(const RepoKey& key) {
  std::string folder = std::string(plural(key.type)) + "--";
  const std::string_view org = key.id.org();
  if (!org.empty()) folder.append(org).append("--");
  return folder.append(key.id.name());
}

std::optional<RepoKey> parse_repo_folder(std::string_view folder) {
  const std::size_t first = folder.find("--");
  if (first == std::string_view::npos) return std::nullopt;
  const auto type = repo_type_from_plural(folder.substr(0, first));
  if (!type) return std::nullopt;
  std::string text(folder.substr(first + 2));
  if (text.find('/') != std::string::npos) return std::nullopt;
  for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at + 1))
    text.replace(at, 2, "/");
  auto id = RepoId::parse(text);
  if (!id) return std::nullopt;
  return RepoKey{*type, *std::move(id)};
}

std::string blobs_dir(const RepoKey& key) { return join(repo_folder(key), kBlobs); }
std::string blob(const RepoKey& key, const BlobId& etag) { return join(blobs_dir(key), etag.text()); }
std::string refs_dir(const RepoKey& key) { return join(repo_folder(key), kRefs); }
std::string ref(const RepoKey& key, const RefName& name) { return join(refs_dir(key), name.text()); }
std::string snapshots_dir(const RepoKey& key) { return join(repo_folder(key), kSnapshots); }
std::string snapshot(const RepoKey& key, const CommitHash& commit) { return join(snapshots_dir(key), commit.text()); }

std::string snapshot_entry(const RepoKey& key, const CommitHash& commit, const RelPath& path) {
  return join(snapshot(key, commit), path.text());
}

std::string trees_dir(const RepoKey& key) { return join(repo_folder(key), kTrees); }
std::string listing(const RepoKey& key, const CommitHash& commit) {
  return join(trees_dir(key), commit.text()) + ".json";
}

std::string no_exist_dir(const RepoKey& key, const CommitHash& commit) {
  return join(join(repo_folder(key), kNoExist), commit.text());
}

std::string locks_dir(const RepoKey& key) { return join(kLocks, repo_folder(key)); }

std::string blob_lock(const RepoKey& key, const BlobId& etag) {
  return join(locks_dir(key), etag.text()).append(kLockSuffix);
}

std::string payload(const XetHash& hash) {
  return join(join(kSharedStore, std::string_view(hash.text()).substr(0, 2)), hash.text());
}
std::string payload_manifest(const XetHash& hash) { return payload(hash).append(kManifestSuffix); }
std::string payload_lock(const XetHash& hash) { return payload(hash).append(kLockSuffix); }

std::string link_to_blob(const RelPath& path, const BlobId& etag) {
  std::string link = "../../";
  for (const char c : path.text()) {
    if (c == '/') link += "../";
  }
  return link.append(kBlobs).append("/").append(etag.text());
}

std::string link_to_payload(const XetHash& hash) { return "../../" + payload(hash); }

BlobDirEntry classify_blob_name(std::string_view name) {
  if (name.ends_with(kIncompleteSuffix)) return BlobDirEntry::kIncomplete;
  if (is_staged_link_name(name)) return BlobDirEntry::kTransient;
  if (name.starts_with(kTempPrefix) && is_uuid(name.substr(kTempPrefix.size()))) return BlobDirEntry::kTransient;
  return BlobId::parse(name) ? BlobDirEntry::kBlob : BlobDirEntry::kUnknown;
}

std::optional<BlobId> etag_of_incomplete(std::string_view name) {
  if (!name.ends_with(kIncompleteSuffix)) return std::nullopt;
  std::string_view etag = name.substr(0, name.size() - kIncompleteSuffix.size());
  if (has_random_suffix(name, kIncompleteSuffix)) etag.remove_suffix(9);
  return BlobId::parse(etag);
}

bool is_temporary_ref_name(std::string_view name) { return has_random_suffix(name, kTempSuffix); }

bool is_temporary_name(std::string_view name) {
  const BlobDirEntry entry = classify_blob_name(name);
  return entry == BlobDirEntry::kIncomplete || entry == BlobDirEntry::kTransient || is_temporary_ref_name(name);
}

std::optional<std::string> resolve_link(std::string_view link_path, std::string_view target,
                                        std::string_view root_path) {
  if (target.empty()) return std::nullopt;
  std::vector<std::string_view> root_parts;
  if (!append_parts(root_parts, root_path)) return std::nullopt;
  std::vector<std::string_view> parts;
  if (target.front() != '/') {
    parts = root_parts;
    const std::size_t slash = link_path.rfind('/');
    if (slash != std::string_view::npos && !append_parts(parts, link_path.substr(0, slash))) return std::nullopt;
  }
  if (!append_parts(parts, target)) return std::nullopt;
  if (parts.size() <= root_parts.size() || !std::equal(root_parts.begin(), root_parts.end(), parts.begin())) {
    return std::nullopt;
  }
  std::string out;
  for (std::size_t i = root_parts.size(); i < parts.size(); ++i) {
    if (!out.empty()) out += '/';
    out += parts[i];
  }
  return out;
}

std::optional<BlobPath> parse_blob_path(std::string_view path) {
  const std::size_t first = path.find('/');
  if (first == std::string_view::npos) return std::nullopt;
  const std::string_view folder = path.substr(0, first);
  path.remove_prefix(first + 1);
  if (!path.starts_with(kBlobs) || path.size() <= kBlobs.size() || path[kBlobs.size()] != '/') return std::nullopt;
  const std::string_view name = path.substr(kBlobs.size() + 1);
  if (classify_blob_name(name) != BlobDirEntry::kBlob || !parse_repo_folder(folder)) return std::nullopt;
  auto etag = BlobId::parse(name);
  if (!etag) return std::nullopt;
  return BlobPath{std::string(folder), *std::move(etag)};
}

std::optional<XetHash> parse_payload_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto hash = XetHash::parse(path.substr(slash + 1));
  if (!hash || payload(*hash) != path) return std::nullopt;
  return hash;
}

}  // namespace hubfs::layout
