// SPDX-License-Identifier: Apache-2.0
// The journal of a partial download: only ranges inside the file, and opening it again keeps or drops it as a whole.
#include "core/cache/partial_file.h"

#include <unistd.h>

#include "core/cache/state_paths.h"
#include "tests/fuzz/fuzz_folder.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  static FuzzFolder folder;
  static const RepoKey key{RepoType::kModel, *RepoId::parse("org/name")};
  static const BlobId etag = *BlobId::parse(std::string(64, 'e'));
  constexpr std::uint64_t kSize = 1000;
  const CacheRoot& root = folder.root();
  FuzzFolder::write(root.state_path() + "/" + state::partial_ranges(key, etag), input);
  const std::string data = root.state_path() + "/" + state::partial_data(key, etag);
  FuzzFolder::write(data, "");
  must(::truncate(data.c_str(), kSize) == 0, "a data file of that size");
  for (const auto& [name, partial] : list_partials(root, key)) {
    must(name == etag.text(), "a partial is found under its etag");
    must(partial.present_bytes > 0 && partial.present_bytes <= partial.info.size, "not more bytes than the file has");
    must(stays_below(partial.info.path.text()), "a path below");
  }
  const PartialInfo info{*CommitHash::parse(std::string(40, 'a')), *RelPath::parse("f"), std::nullopt, kSize};
  const auto opened = PartialFile::open(root, key, etag, info);
  must(opened.has_value(), "whatever the journal says, a download can go on");
  must(opened->present().total() <= kSize, "not more bytes than the file has");
  for (const ByteRange& range : opened->present().ranges())
    must(range.first < range.end && range.end <= kSize, "ranges inside the file");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
