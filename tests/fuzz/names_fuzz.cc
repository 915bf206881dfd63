// SPDX-License-Identifier: Apache-2.0
// Ids, paths and the names of the cache's layout: what is accepted stays below its folder, and comes back from its
// name.
#include "core/cache/layout.h"
#include "core/model/ids.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

namespace {

void check_id(std::string_view text) {
  if (const auto id = RepoId::parse(text)) {
    must(id->text() == text && stays_below(text), "an id is what was parsed, and a path below");
    for (const RepoType type : kRepoTypes) {
      const RepoKey key{type, *id};
      const std::string folder = layout::repo_folder(key);
      must(is_one_name(folder), "a repo folder is one name");
      must(layout::parse_repo_folder(folder) == key, "a repo folder names its repo");
    }
  }
  if (const auto key = layout::parse_repo_folder(text)) {
    must(layout::repo_folder(*key) == text || text.find("--") != std::string_view::npos,
         "a repo comes from a folder's name");
    must(layout::parse_repo_folder(layout::repo_folder(*key)) == key, "its canonical folder names the same repo");
  }
}

void check_names(std::string_view text) {
  if (const auto commit = CommitHash::parse(text))
    must(is_lower_hex(text, 40) && commit->text() == text, "a commit is 40 hex");
  if (const auto hash = XetHash::parse(text)) {
    must(is_lower_hex(text, 64), "a Xet hash is 64 hex");
    must(layout::parse_payload_path(layout::payload(*hash)) == hash, "a payload's path names it");
  }
  if (const auto etag = BlobId::parse(text)) {
    must(is_one_name(text) && etag->text() == text, "an etag is one name");
    must(text.find('.') == std::string_view::npos, "no etag looks like a lock, a temporary or a hidden file");
    const auto kind = layout::classify_blob_name(text);
    must(kind == layout::BlobDirEntry::kBlob || text.starts_with("tmp_"), "an etag is the name of a blob");
    if (kind != layout::BlobDirEntry::kBlob) return;  // "tmp_<uuid>", which no Hub gives and Python writes beside blobs
    const RepoKey key{RepoType::kModel, *RepoId::parse("org/name")};
    const auto back = layout::parse_blob_path(layout::blob(key, *etag));
    must(back && back->etag == *etag && back->repo_folder == layout::repo_folder(key), "a blob's path names it");
  }
  if (const auto etag = layout::etag_of_incomplete(text))
    must(layout::is_temporary_name(text), "a partial download is temporary");
  if (const auto blob = layout::parse_blob_path(text)) must(stays_below(text), "a blob's path stays below");
  if (layout::parse_payload_path(text)) must(stays_below(text), "a payload's path stays below");
}

void check_paths(std::string_view text) {
  if (const auto path = RelPath::parse(text)) {
    must(stays_below(text) && path->text() == text, "a path stays below");
    const RepoKey key{RepoType::kModel, *RepoId::parse("org/name")};
    const auto commit = *CommitHash::parse(std::string(40, 'a'));
    const auto etag = *BlobId::parse(std::string(64, 'b'));
    const auto entry = layout::snapshot_entry(key, commit, *path);
    const auto target = layout::resolve_link(entry, layout::link_to_blob(*path, etag), "/cache");
    must(target == layout::blob(key, etag), "the link of a snapshot entry leads to its blob");
  }
  if (const auto ref = RefName::parse(text)) {
    must(stays_below(text) && ref->text() == text, "a ref stays below");
    must(ref->folder().find('/') == std::string::npos, "the folder of a ref is one name");
    must(RefName::from_folder(ref->folder()) == ref, "the folder of a ref names it");
  }
  if (const auto ref = RefName::from_folder(text)) must(ref->folder() == text, "one folder for each ref");
}

}  // namespace

void check(std::string_view input) {
  check_id(input);
  check_names(input);
  check_paths(input);
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
