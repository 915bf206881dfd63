// SPDX-License-Identifier: Apache-2.0
// The file of a ref: a commit with white space around it, or none; and what is read from disk is the same.
#include "core/cache/ref_files.h"

#include "core/cache/layout.h"
#include "tests/fuzz/fuzz_folder.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  static FuzzFolder folder;
  const auto commit = parse_ref_content(input);
  if (commit) {
    must(input.find(commit->text()) != std::string_view::npos, "the commit is in the text");
    must(parse_ref_content(commit->text()) == commit, "a commit alone is read as itself");
    must(parse_ref_content(commit->text() + "x") == std::nullopt, "and nothing more");
  }
  static const RepoKey key{RepoType::kModel, *RepoId::parse("org/name")};
  FuzzFolder::write(folder.root().path() + "/" + layout::ref(key, *RefName::parse("main")), input);
  const auto files = read_ref_files(folder.root(), key, nullptr);
  must(files.size() == 1, "one file, one ref");
  must(input.size() > 4096 || files.front().commit == commit, "from disk as from the text");
  must(files.front().commit.has_value() != !files.front().problem.empty(), "a commit or a problem");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
