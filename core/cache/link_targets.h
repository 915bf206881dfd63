// SPDX-License-Identifier: Apache-2.0
//
// What a link in a repo names: a blob of the same repo, or a payload of the shared store. Decided from the link's text;
// an absolute target may spell the root differently (a symlink or bind mount to it), so the folders it names are
// compared by device and inode. No link is followed to its end and nothing is opened. One object serves one walk over
// one repo; not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

class LinkTargets {
 public:
  LinkTargets(const CacheRoot& root, const RepoKey& key);

  /// The blob of this repo that a link at `link_path` (relative to the root) names; it need not exist.
  std::optional<BlobId> blob(const std::string& link_path, const std::string& target);
  /// The payload that it names.
  std::optional<XetHash> payload(const std::string& link_path, const std::string& target);
  /// The blob of this repo that is itself a link to `hash`.
  std::optional<BlobId> blob_of_payload(const XetHash& hash);

 private:
  using Identity = std::pair<dev_t, ino_t>;
  [[nodiscard]] std::optional<Identity> identity(int dir_fd, const std::string& folder);
  [[nodiscard]] bool same_folder(const std::string& absolute, const std::string& below_root);

  const CacheRoot& root_;
  const RepoKey key_;
  const std::string folder_;
  std::map<std::pair<std::string, std::string>, bool> same_;  // answers of same_folder
  std::optional<std::map<std::string, BlobId>> by_payload_;   // filled when first asked for
};

}  // namespace hubfs
