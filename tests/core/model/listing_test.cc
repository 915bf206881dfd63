// SPDX-License-Identifier: Apache-2.0
#include "core/model/listing.h"

#include <gtest/gtest.h>

#include <vector>

namespace hubfs {
namespace {

Listing listing_of(const std::vector<std::string>& paths) {
  Listing listing;
  for (const std::string& path : paths)
    listing.emplace(path, ListedFile{1, std::string(40, 'a'), std::nullopt, std::nullopt});
  return listing;
}

TEST(ListingPaths, AFileThatIsAFolderIsFoundWhateverIsBetween) {
  EXPECT_FALSE(problem_of_paths(listing_of({})));
  EXPECT_FALSE(problem_of_paths(listing_of({"a", "a-b", "ab/c", "b/a", "b/a-c", "b/ab/c"})));
  EXPECT_TRUE(problem_of_paths(listing_of({"a", "a/b"})));
  EXPECT_TRUE(problem_of_paths(listing_of({"a", "a-b", "a/c"})));
  EXPECT_TRUE(problem_of_paths(listing_of({"a/b/c", "a/b/c-d", "a/b/c.d/e", "a/b/c/d"})));
  EXPECT_TRUE(problem_of_paths(listing_of({"x/a/1", "x/a/2", "x/a/2/3"})));
  EXPECT_TRUE(problem_of_paths(listing_of({"a/b/c/d/e", "a/b"})));
}

// Two thousand folders a path: a listing of 100 MB would name folders of 100 GB.
TEST(ListingPaths, FoldersThatWouldFillTheMemoryAreRefused) {
  std::vector<std::string> paths;
  for (int i = 0; i < 100; ++i) {
    std::string path = std::to_string(i);
    while (path.size() < 4000) path += "/x";
    paths.push_back(path);
  }
  EXPECT_TRUE(problem_of_paths(listing_of(paths)));
  paths.resize(10);
  EXPECT_FALSE(problem_of_paths(listing_of(paths)));
  std::vector<std::string> many;
  for (int i = 0; i < 200'000; ++i) many.push_back("data/train/shard-" + std::to_string(i) + "/part-00000.parquet");
  EXPECT_FALSE(problem_of_paths(listing_of(many)));
}

}  // namespace
}  // namespace hubfs
