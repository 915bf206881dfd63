// SPDX-License-Identifier: Apache-2.0
// Links as others wrote them: a place below the root, or nothing. Input: the link's path, its target, the root.
#include "core/cache/layout.h"
#include "core/cache/link_targets.h"
#include "tests/fuzz/fuzz_folder.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  static FuzzFolder folder;
  const std::string path(take_part(input));
  const std::string target(take_part(input));
  const std::string root = "/" + std::string(take_part(input));
  if (const auto place = layout::resolve_link(path, target, root)) {
    must(!place->empty() && place->front() != '/', "a place is relative to the root");
    must(("/" + *place + "/").find("/../") == std::string::npos, "no place leads up");
    must(layout::resolve_link("x", root + "/" + *place, root) == place, "a place is found again by its whole path");
  }
  if (target.empty() || target.find('\0') != std::string::npos || path.find('\0') != std::string::npos) return;
  const RepoKey key{RepoType::kModel, *RepoId::parse("org/name")};
  LinkTargets targets(folder.root(), key);
  if (const auto etag = targets.blob(path, target)) must(is_one_name(etag->text()), "a link names a blob by its name");
  if (const auto hash = targets.payload(path, target))
    must(is_lower_hex(hash->text(), 64), "a link names a payload by its hash");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
