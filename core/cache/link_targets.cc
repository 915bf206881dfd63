// SPDX-License-Identifier: Apache-2.0
#include "core/cache/link_targets.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"

namespace hubfs {

LinkTargets::LinkTargets(const CacheRoot& root, const RepoKey& key)
    : root_(root), key_(key), folder_(layout::repo_folder(key)) {}

std::optional<LinkTargets::Identity> LinkTargets::identity(int dir_fd, const std::string& folder) {
  struct stat st{};
  if (::fstatat(dir_fd, folder.c_str(), &st, AT_NO_AUTOMOUNT) != 0 || !S_ISDIR(st.st_mode)) return std::nullopt;
  return Identity{st.st_dev, st.st_ino};
}

bool LinkTargets::same_folder(const std::string& absolute, const std::string& below_root) {
  const auto known = same_.find({absolute, below_root});
  if (known != same_.end()) return known->second;
  const auto named = identity(AT_FDCWD, absolute);
  const bool same = named && named == identity(root_.fd(), below_root);
  same_.emplace(std::pair(absolute, below_root), same);
  return same;
}

std::optional<BlobId> LinkTargets::blob(const std::string& link_path, const std::string& target) {
  if (const auto path = layout::resolve_link(link_path, target, root_.path())) {
    const auto blob = layout::parse_blob_path(*path);
    if (blob && blob->repo_folder == folder_) return blob->etag;
    return std::nullopt;
  }
  const std::string name = base_of(target);
  if (target.front() != '/' || layout::classify_blob_name(name) != layout::BlobDirEntry::kBlob) return std::nullopt;
  if (!same_folder(parent_of(target), layout::blobs_dir(key_))) return std::nullopt;
  return BlobId::parse(name);
}

std::optional<XetHash> LinkTargets::payload(const std::string& link_path, const std::string& target) {
  if (const auto path = layout::resolve_link(link_path, target, root_.path())) return layout::parse_payload_path(*path);
  auto hash = XetHash::parse(base_of(target));
  if (!hash || target.front() != '/') return std::nullopt;
  if (!same_folder(parent_of(target), parent_of(layout::payload(*hash)))) return std::nullopt;
  return hash;
}

std::optional<BlobId> LinkTargets::blob_of_payload(const XetHash& hash) {
  if (!by_payload_) {
    by_payload_.emplace();
    const std::string folder = layout::blobs_dir(key_);
    const auto names = read_dir_at(root_.fd(), folder);
    for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) {
      if (entry.kind != NameKind::kLink || layout::classify_blob_name(entry.name) != layout::BlobDirEntry::kBlob)
        continue;
      const std::string path = folder + "/" + entry.name;
      const auto target = read_link_plain(root_.fd(), path);
      const auto etag = BlobId::parse(entry.name);
      const auto named = target ? payload(path, *target) : std::nullopt;
      if (etag && named) by_payload_->emplace(named->text(), *etag);
    }
  }
  const auto found = by_payload_->find(hash.text());
  return found == by_payload_->end() ? std::nullopt : std::optional(found->second);
}

}  // namespace hubfs
