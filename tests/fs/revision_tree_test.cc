// SPDX-License-Identifier: Apache-2.0
//
// Looking around in a tree; how it comes about is in tree_builder_test.cc.
#include "fs/revision_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/cache/layout.h"
#include "tests/fs/view_fixture.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PathOrder, ContentOfAFolderIsOneRun) {
  std::vector<std::string> paths{"a-b", "a/c", "b",   "a",      "a/b/c", "a.txt", "a/b-c",
                                 "a0",  "A",   "a/b", "a\x01z", "\xff",  ""};
  std::sort(paths.begin(), paths.end(), path_before);
  EXPECT_EQ(paths, (std::vector<std::string>{"", "A", "a", "a/b", "a/b/c", "a/b-c", "a/c", "a\x01z", "a-b", "a.txt",
                                             "a0", "b", "\xff"}));
}

TEST(PathOrder, IsStrict) {
  EXPECT_FALSE(path_before("a/b", "a/b"));
  EXPECT_TRUE(path_before("a", "a/b"));
  EXPECT_FALSE(path_before("a/b", "a"));
  EXPECT_TRUE(path_before("a/z", "a-b"));
  EXPECT_FALSE(path_before("a-b", "a/z"));
}

class TreeOfARevision : public test::ViewFixture {
 protected:
  RevisionTreePtr tree() { return trees().get(key, a); }
  static std::vector<std::string> children(const RevisionTreePtr& tree, const std::string& folder,
                                           bool cached_only = false) {
    std::vector<std::string> names;
    for (const auto& child : tree->children(folder, cached_only)) {
      names.push_back(child.name + (child.file == nullptr ? "/" : ""));
    }
    return names;
  }
  void add(const std::string& path) { cache.add_file(key, a, path, "content of " + path); }
};

TEST_F(TreeOfARevision, NeighboursThatBeginAlikeDoNotMix) {
  for (const char* path : {"a/c", "a/b/x", "a-b", "a.txt", "a/b-c", "a0/y"}) add(path);
  start();
  const auto is = tree();
  EXPECT_THAT(children(is, ""), ElementsAre("a/", "a-b", "a.txt", "a0/"));
  EXPECT_THAT(children(is, "a"), ElementsAre("b/", "b-c", "c"));
  EXPECT_THAT(children(is, "a/b"), ElementsAre("x"));
  EXPECT_THAT(children(is, "a-b"), IsEmpty());
  EXPECT_THAT(children(is, "none"), IsEmpty());
  for (const char* path : {"a/c", "a/b/x", "a-b", "a.txt", "a/b-c", "a0/y"}) {
    ASSERT_NE(is->file(path), nullptr) << path;
    EXPECT_EQ(is->file(path)->path, path);
  }
  for (const char* path : {"", "a", "a/b", "a/", "a/d", "c", "a-"}) EXPECT_EQ(is->file(path), nullptr) << path;
  for (const char* path : {"", "a", "a/b", "a0"}) EXPECT_TRUE(is->has_folder(path)) << path;
  for (const char* path : {"a-b", "a/c", "b", "a/b/"}) EXPECT_FALSE(is->has_folder(path)) << path;
  EXPECT_EQ(is->files().size(), 6U);
}

TEST_F(TreeOfARevision, RemovedFileIsGoneFromEverywhere) {
  for (const char* path : {"x", "sub/y", "sub/z"}) add(path);
  start();
  const auto is = tree();
  is->mark_removed("sub/y");
  is->mark_removed("none");
  EXPECT_EQ(is->file("sub/y"), nullptr);
  EXPECT_THAT(children(is, "sub"), ElementsAre("z"));
  EXPECT_EQ(is->files().size(), 2U);
  is->mark_removed("sub/z");
  EXPECT_THAT(children(is, "sub"), IsEmpty());
  EXPECT_TRUE(is->has_folder("sub")) << "an emptied folder stays until its rmdir";
  is->mark_removed("sub");
  EXPECT_FALSE(is->has_folder("sub"));
  EXPECT_THAT(children(is, ""), ElementsAre("x"));
}

TEST_F(TreeOfARevision, CachedOnlyLeavesOutWhatIsNotHere) {
  add("here");
  add("mixed/here");
  cache.make_dir(layout::snapshot(key, a) + "/empty");
  Listing listing;
  for (const char* path : {"here", "mixed/here"}) list_file(listing, path, "content of " + std::string(path));
  for (const char* path : {"far", "mixed/far", "only-far/x", "only-far/deep/y", "partly/deep/z"}) {
    list_file(listing, path, "far " + std::string(path), true);
  }
  save_listing(key, a, listing);
  add_partial(key, a, "partly/deep/z", "far partly/deep/z");
  start();
  const auto is = tree();
  EXPECT_THAT(children(is, ""), ElementsAre("empty/", "far", "here", "mixed/", "only-far/", "partly/"));
  EXPECT_THAT(children(is, "", true), ElementsAre("empty/", "here", "mixed/", "partly/"));
  EXPECT_THAT(children(is, "mixed", true), ElementsAre("here"));
  EXPECT_THAT(children(is, "only-far", true), IsEmpty());
  EXPECT_THAT(children(is, "partly", true), ElementsAre("deep/"));
  EXPECT_THAT(children(is, "partly/deep", true), ElementsAre("z"));
  EXPECT_NE(is->file("far"), nullptr) << "it can still be opened by name";
  is->mark_removed("mixed/here");
  EXPECT_THAT(children(is, "", true), ElementsAre("empty/", "here", "partly/"));
}

TEST_F(TreeOfARevision, StatesHaveTheirWords) {
  EXPECT_STREQ(state_name(FileState::kCached), "cached");
  EXPECT_STREQ(state_name(FileState::kRealFile), "cached");
  EXPECT_STREQ(state_name(FileState::kPartial), "partial");
  EXPECT_STREQ(state_name(FileState::kRemote), "remote");
}

}  // namespace
}  // namespace hubfs
