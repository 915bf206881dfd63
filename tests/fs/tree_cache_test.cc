// SPDX-License-Identifier: Apache-2.0
#include "fs/tree_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/cache/layout.h"
#include "tests/fs/view_fixture.h"

namespace hubfs {
namespace {

using test::repo_key;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using CachedTrees = test::ViewFixture;

TEST_F(CachedTrees, TreeIsReadOnceUntilItIsDropped) {
  cache.add_file(key, a, "f", "x");
  start();
  const RevisionTreePtr before = trees().get(key, a);
  cache.add_file(key, a, "g", "y");
  EXPECT_EQ(trees().get(key, a), before);
  EXPECT_EQ(before->file("g"), nullptr);
  EXPECT_THAT(trees().drop(key), ElementsAre(before));
  EXPECT_NE(trees().get(key, a)->file("g"), nullptr);
  EXPECT_EQ(before->file("g"), nullptr) << "a tree that somebody holds does not change";
}

TEST_F(CachedTrees, LoadedNamesWhatIsThereWithoutLoading) {
  cache.add_file(key, a, "f", "x");
  cache.add_file(key, b, "f", "x");
  const RepoKey other = repo_key("model/org/other");
  cache.add_file(other, a, "f", "x");
  start();
  EXPECT_THAT(trees().loaded(key), IsEmpty());
  const auto first = trees().get(key, a);
  const auto second = trees().get(key, b);
  const auto third = trees().get(other, a);
  EXPECT_THAT(trees().loaded(key), UnorderedElementsAre(first, second));
  EXPECT_THAT(trees().drop(key), UnorderedElementsAre(first, second));
  EXPECT_THAT(trees().loaded(key), IsEmpty());
  EXPECT_THAT(trees().loaded(other), ElementsAre(third));
  EXPECT_THAT(trees().drop(key), IsEmpty());
}

TEST_F(CachedTrees, UnknownRepoHasAnEmptyTreeOrWhatTheListingSays) {
  start();
  EXPECT_THAT(trees().get(key, a)->files(), IsEmpty());
  EXPECT_FALSE(trees().get(key, a)->has_listing());
  Listing listing;
  list_file(listing, "sub/w.bin", "weights", true);
  save_private_listing(key, b, listing);
  const auto tree = trees().get(key, b);
  ASSERT_NE(tree->file("sub/w.bin"), nullptr);
  EXPECT_EQ(tree->file("sub/w.bin")->state, FileState::kRemote);
  EXPECT_NE(tree->first_seen_ns(), 0);
}

TEST_F(CachedTrees, TreeIsThatOfTheRepoAsTheLibraryKnowsIt) {
  cache.add_file(key, a, "f", "x");
  start();
  EXPECT_EQ(trees().get(key, a)->repo(), library().find(key));
  EXPECT_EQ(trees().get(key, a)->commit(), a);
}

TEST_F(CachedTrees, OfVeryManyTheOnesUsedLastStay) {
  cache.add_file(key, a, "f", "x");
  start();
  const auto kept = trees().get(key, a);
  constexpr int kMany = 600;
  for (int i = 0; i < kMany; ++i) {
    char text[41];
    std::snprintf(text, sizeof text, "%040x", static_cast<unsigned>(i));
    trees().get(key, *CommitHash::parse(text));
    if (i % 100 == 0) {
      EXPECT_EQ(trees().get(key, a), kept);
    }
  }
  EXPECT_EQ(trees().get(key, a), kept);
  EXPECT_EQ(trees().loaded(key).size(), 512U);
}

TEST_F(CachedTrees, WaysAreThoseOfTheRootsInOrder) {
  test::TempCache second;
  cache.chmod("", 0710);
  second.chmod("", 0701);
  start({}, {&cache, &second});
  ASSERT_EQ(trees().ways()->size(), 2U);
  EXPECT_EQ((*trees().ways())[0].steps.back().mode & 0777U, 0710U);
  EXPECT_EQ((*trees().ways())[1].steps.back().mode & 0777U, 0701U);
}

TEST_F(CachedTrees, OtherWaysMakeOtherTrees) {
  cache.add_file(key, a, "f", "x");
  start();
  const RevisionTreePtr before = trees().get(key, a);
  EXPECT_FALSE(trees().refresh_ways());
  EXPECT_EQ(trees().get(key, a), before);
  cache.chmod("", 0700);
  EXPECT_TRUE(trees().refresh_ways());
  EXPECT_EQ(trees().ways()->at(0).steps.back().mode & 0777U, 0700U);
  EXPECT_EQ(trees().get(key, a)->file("f")->permission.mode & 0077U, 0U);
  EXPECT_FALSE(trees().refresh_ways());
}

}  // namespace
}  // namespace hubfs
