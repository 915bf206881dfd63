// SPDX-License-Identifier: Apache-2.0
// The manifest of a shared payload: only true references are counted, and one that is there is never overlooked.
#include "core/cache/layout.h"
#include "core/cache/shared_store.h"
#include "tests/fuzz/fuzz_folder.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  static FuzzFolder folder;
  static const XetHash hash = *XetHash::parse(std::string(64, 'c'));
  static const RepoKey key{RepoType::kModel, *RepoId::parse("a/b")};
  static const std::string reference = layout::blob(key, *BlobId::parse("e"));
  const std::string root = folder.root().path() + "/";
  static const bool prepared = [&] {
    FuzzFolder::write(root + layout::payload(hash), "payload");
    FuzzFolder::write(root + layout::blob(key, *BlobId::parse("real")), "no link");
    std::filesystem::create_symlink(layout::link_to_payload(hash), root + reference);
    return true;
  }();
  must(prepared, "a store");
  FuzzFolder::write(root + layout::payload_manifest(hash), input);
  const auto references = valid_references(folder.root(), hash);
  if (!references) return;  // unknown: nothing is deleted then
  for (const std::string& line : *references) {
    must(stays_below(line), "a reference stays below");
    must(std::filesystem::is_symlink(root + line), "a reference is a link");
  }
  // A whole line of that text, whatever is around it.
  const std::string text = "\n" + std::string(input) + "\n";
  const bool listed = text.find("\n" + reference + "\n") != std::string::npos;
  must(!listed || references->contains(reference), "a reference that is listed counts");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
