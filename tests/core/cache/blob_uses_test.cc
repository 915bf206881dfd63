// SPDX-License-Identifier: Apache-2.0
#include "core/cache/blob_uses.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/cache/layout.h"
#include "core/cache/watch.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::git_sha1_of;
using test::rel_path;
using test::repo_key;
using test::TempCache;

const std::string kFolder = "models--org--name";

class Uses : public testing::Test {
 protected:
  void SetUp() override {
    if (unwatchable(cache.root().fd())) GTEST_SKIP() << "$TMPDIR cannot be watched";
    for (int i = 0; i < 20; ++i) cache.add_file(key, a, path(i), path(i));
  }
  static std::string path(int i) { return "d/f" + std::to_string(i); }
  std::string entry(const std::string& text) { return layout::snapshot_entry(key, a, rel_path(text)); }
  BlobId etag(int i) { return blob_id(git_sha1_of(path(i))); }
  bool has_blob(int i) { return cache.exists(layout::blob(key, etag(i))); }
  void remove(const std::string& text) {
    const auto plan = plan_file_removal(cache.root(), key, {a, b}, rel_path(text), &uses);
    ASSERT_TRUE(plan);
    const Status done = apply_removal(cache.root(), *plan, &uses);
    ASSERT_TRUE(done) << done.error().message;
  }
  // The plan is made, then `meanwhile` happens, then it is carried out.
  void remove_while(int i, const std::function<void()>& meanwhile) {
    ASSERT_TRUE(uses.look());
    const auto plan = plan_file_removal(cache.root(), key, {a}, rel_path(path(i)), &uses);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->blobs.size(), 1U);
    meanwhile();
    const Status done = apply_removal(cache.root(), *plan, &uses);
    ASSERT_TRUE(done) << done.error().message;
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  BlobUses uses{cache.root(), key};
};

TEST_F(Uses, OneWalkForManyRemovals) {
  for (int i = 0; i < 20; ++i) {
    remove(path(i));
    EXPECT_FALSE(has_blob(i));
  }
  EXPECT_EQ(uses.walks(), 1);
}

TEST_F(Uses, EmptiedFoldersAreNoChange) {
  cache.add_file(key, a, "e/one", "1");
  cache.add_file(key, a, "e/f/two", "2");
  remove("e/f/two");
  cache.remove(entry("e/f"));
  remove("e/one");
  cache.remove(entry("e"));
  remove(path(0));
  EXPECT_FALSE(has_blob(0));
  EXPECT_EQ(uses.walks(), 1);
}

TEST_F(Uses, TheLastNameTakesTheBlob) {
  cache.add_file(key, a, "again", path(3));
  cache.add_file(key, b, path(3), path(3));
  remove(path(3));  // of both commits
  EXPECT_TRUE(has_blob(3));
  remove("again");
  EXPECT_FALSE(has_blob(3));
  EXPECT_EQ(uses.walks(), 1);
}

TEST_F(Uses, NamesThatOthersRemoveCountNoMore) {
  cache.add_file(key, a, "again", path(3));
  remove(path(0));
  cache.remove(entry("again"));
  remove(path(3));
  EXPECT_FALSE(has_blob(3));
}

TEST_F(Uses, NewNameInAKnownFolder) {
  remove_while(3, [&] { cache.link(entry("d/new"), layout::link_to_blob(rel_path("d/new"), etag(3))); });
  EXPECT_TRUE(has_blob(3));
  EXPECT_EQ(uses.walks(), 2);
}

TEST_F(Uses, NewNameThatLooksTemporary) {
  const std::string name = "d/model.safetensors.0123abcd.incomplete";
  remove_while(3, [&] { cache.link(entry(name), layout::link_to_blob(rel_path(name), etag(3))); });
  EXPECT_TRUE(has_blob(3));
}

TEST_F(Uses, NewNameThatReplacesOne) {
  remove_while(3, [&] {
    cache.link(entry("d/t"), layout::link_to_blob(rel_path("d/t"), etag(3)));
    std::filesystem::rename(cache.path() + "/" + entry("d/t"), cache.path() + "/" + entry(path(5)));
  });
  EXPECT_TRUE(has_blob(3));
}

TEST_F(Uses, NewFolderAndNewSnapshot) {
  remove_while(3, [&] { cache.add_file(key, a, "new/folder/name", path(3)); });
  EXPECT_TRUE(has_blob(3));
  remove_while(4, [&] { cache.add_file(key, b, "name", path(4)); });
  EXPECT_TRUE(has_blob(4));
}

TEST_F(Uses, FolderMovedIn) {
  cache.make_dir("elsewhere");
  cache.link("elsewhere/name", layout::link_to_blob(rel_path("moved/name"), etag(3)));
  remove_while(3, [&] { std::filesystem::rename(cache.path() + "/elsewhere", cache.path() + "/" + entry("moved")); });
  EXPECT_TRUE(has_blob(3));
}

TEST_F(Uses, AnotherSnapshotsFolder) {
  remove_while(3, [&] {
    const std::string snapshots = cache.path() + "/" + layout::snapshots_dir(key);
    std::filesystem::rename(snapshots, cache.path() + "/old");
    cache.add_file(key, b, "name", path(3));
  });
  EXPECT_TRUE(has_blob(3));
}

TEST_F(Uses, WhatIsNoPlainLinkIsLeftToAWalk) {
  cache.link(entry("chain"), path(3));
  remove(path(0));
  EXPECT_FALSE(has_blob(0));
  EXPECT_FALSE(uses.look());
  // The chain reaches the blob as long as its middle is there.
  cache.add_file(key, a, "twin", path(3));
  remove("twin");
  EXPECT_TRUE(has_blob(3));
}

TEST_F(Uses, LinkedSnapshotAndHardLinkAreLeftToAWalk) {
  cache.link(layout::snapshots_dir(key) + "/latest", a.text());
  EXPECT_FALSE(uses.look());
  cache.remove(layout::snapshots_dir(key) + "/latest");
  std::filesystem::create_hard_link(cache.path() + "/" + layout::blob(key, etag(3)),
                                    cache.path() + "/" + entry("hard"));
  BlobUses later(cache.root(), key);
  EXPECT_FALSE(later.look());
}

}  // namespace
}  // namespace hubfs
