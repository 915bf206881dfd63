// SPDX-License-Identifier: Apache-2.0
#include "core/cache/private_state.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/cache/listing_file.h"
#include "core/cache/partial_file.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::rel_path;
using test::repo_key;
using test::TempCache;

TEST(PrivateState, GoesWithItsRepoOnly) {
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const RepoKey other = repo_key("model/org/other");
  for (const RepoKey& each : {key, other}) {
    auto partial =
        PartialFile::open(cache.root(), each, blob_id("e"), {commit_of('a'), rel_path("f"), std::nullopt, 10});
    ASSERT_TRUE(partial && partial->record({0, 5}) && partial->flush_journal());
    ASSERT_TRUE(write_private_listing(cache.root(), each, commit_of('a'), {}));
  }
  remove_private_state(cache.root(), key);
  EXPECT_TRUE(list_partials(cache.root(), key).empty());
  EXPECT_FALSE(read_private_listing(cache.root(), key, commit_of('a')));
  EXPECT_EQ(list_partials(cache.root(), other).size(), 1U);
  EXPECT_TRUE(read_private_listing(cache.root(), other, commit_of('a')));
  remove_private_state(cache.root(), key);
}

TEST(PrivateState, EmptySnapshotFoldersGoAndOthersStay) {
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const std::string snapshot = "models--org--name/snapshots/" + commit_of('a').text();
  cache.make_dir(snapshot + "/empty");
  cache.add_file(key, commit_of('a'), "full/f", "x");
  cache.make_dir("victim");
  cache.link(snapshot + "/link", "../../../victim");
  for (const char* path : {"empty", "full", "link", "none", "full/f"}) {
    remove_empty_snapshot_folder(cache.root(), key, commit_of('a'), rel_path(path));
  }
  EXPECT_FALSE(cache.exists(snapshot + "/empty"));
  EXPECT_TRUE(cache.exists(snapshot + "/full/f"));
  EXPECT_TRUE(cache.exists(snapshot + "/link"));
  EXPECT_TRUE(cache.exists("victim"));
}

TEST(PrivateState, NothingIsRemovedBehindALink) {
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  std::filesystem::create_directory(cache.dir() + "/victims");
  std::filesystem::create_directory(cache.dir() + "/victims/models--org--name");
  std::ofstream(cache.dir() + "/victims/models--org--name/" + std::string(64, 'e') + ".data") << "kept";
  const std::string state = cache.root().state_path();
  std::filesystem::create_symlink(cache.dir() + "/victims", state + "/partial");
  std::filesystem::create_symlink(cache.dir() + "/victims", state + "/listings");
  remove_private_state(cache.root(), key);
  remove_partial(cache.root(), key, blob_id(std::string(64, 'e')));
  EXPECT_FALSE(PartialFile::open(cache.root(), key, blob_id(std::string(64, 'e')),
                                 {commit_of('a'), rel_path("f"), std::nullopt, 10}));
  EXPECT_FALSE(write_private_listing(cache.root(), key, commit_of('a'), {}));
  EXPECT_TRUE(list_partial_repos(cache.root()).empty());
  const auto left = std::filesystem::directory_iterator(cache.dir() + "/victims/models--org--name");
  EXPECT_EQ(std::distance(left, {}), 1);
  EXPECT_EQ(std::filesystem::file_size(cache.dir() + "/victims/models--org--name/" + std::string(64, 'e') + ".data"), 4U);
}

}  // namespace
}  // namespace hubfs
