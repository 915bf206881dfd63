// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/cache/layout.h"
#include "fs/revision_tree.h"
#include "tests/fs/view_fixture.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::git_sha1_of;
using test::sha256_of;
using test::TempCache;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kSecond = 1'000'000'000;

class TreeBuilding : public test::ViewFixture {
 protected:
  RevisionTreePtr tree(const CommitHash& commit) { return trees().get(key, commit); }
  // Path and state of each file.
  static std::vector<std::string> states(const RevisionTreePtr& tree) {
    std::vector<std::string> found;
    for (const TreeFile* file : tree->files()) found.push_back(file->path + " " + state_name(file->state));
    return found;
  }
  std::vector<std::string> states(const CommitHash& commit) { return states(tree(commit)); }
  struct stat stat_of(const std::string& path) const {
    struct stat st{};
    EXPECT_EQ(::stat((cache.path() + "/" + path).c_str(), &st), 0) << path;
    return st;
  }
  static void set_time(const TempCache& where, const std::string& path, std::time_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (where.path() + "/" + path).c_str(), times, 0), 0);
  }
};

TEST_F(TreeBuilding, SnapshotAndListingAreOneTree) {
  cache.add_file(key, a, "config.json", "{}");
  cache.add_file(key, a, "sub/not-listed", "x");
  Listing listing;
  list_file(listing, "config.json", "{}");
  list_file(listing, "sub/model.bin", std::string(1'000, 'm'), true);
  save_listing(key, a, listing);
  start();
  const auto is = tree(a);
  EXPECT_TRUE(is->has_listing());
  EXPECT_THAT(states(is), ElementsAre("config.json cached", "sub/model.bin remote", "sub/not-listed cached"));
  const TreeFile& far = *is->file("sub/model.bin");
  EXPECT_EQ(far.size, 1'000U);
  EXPECT_EQ(far.blocks, 1U);
  EXPECT_EQ(far.etag, blob_id(sha256_of(std::string(1'000, 'm'))));
  EXPECT_FALSE(far.in_snapshot);
  EXPECT_EQ(far.root, -1);
  const TreeFile& here = *is->file("config.json");
  EXPECT_EQ(here.size, 2U);
  EXPECT_EQ(here.etag, blob_id(git_sha1_of("{}")));
  EXPECT_TRUE(here.in_snapshot);
  EXPECT_EQ(here.root, 0);
  EXPECT_EQ(here.blocks, static_cast<std::uint64_t>(stat_of(layout::blob(key, *here.etag)).st_blocks));
}

TEST_F(TreeBuilding, WithoutAListingTheTreeIsWhatTheSnapshotHolds) {
  cache.add_file(key, a, "f", "x");
  cache.add_file(key, b, "g", "y");
  start();
  EXPECT_FALSE(tree(a)->has_listing());
  EXPECT_THAT(states(a), ElementsAre("f cached"));
  EXPECT_THAT(states(b), ElementsAre("g cached"));
  EXPECT_THAT(states(c), IsEmpty());
}

TEST_F(TreeBuilding, DanglingEntryIsAFileThatIsNotHereIfItsSizeIsKnown) {
  const BlobId etag = cache.add_file(key, a, "w.bin", "weights", true);
  cache.add_file(key, a, "f", "x");
  cache.remove(layout::blob(key, etag));
  start();
  EXPECT_THAT(states(a), ElementsAre("f cached"));
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  list_file(listing, "f", "x");
  save_listing(key, a, listing);
  start();
  EXPECT_THAT(states(a), ElementsAre("f cached", "w.bin remote"));
  EXPECT_EQ(tree(a)->file("w.bin")->size, 7U);
  EXPECT_TRUE(tree(a)->file("w.bin")->in_snapshot);
}

TEST_F(TreeBuilding, ListedFileWhoseBlobIsHereIsCachedWithoutAnEntry) {
  cache.add_file(key, b, "w.bin", "weights", true);
  cache.add_file(key, a, "f", "x");
  Listing listing;
  list_file(listing, "moved.bin", "weights", true);
  save_listing(key, a, listing);
  start();
  EXPECT_THAT(states(a), ElementsAre("f cached", "moved.bin cached"));
  EXPECT_FALSE(tree(a)->file("moved.bin")->in_snapshot);
}

TEST_F(TreeBuilding, BlobOfAnotherLengthThanListedIsMissing) {
  const BlobId etag = cache.add_file(key, a, "w.bin", "weights", true);
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  save_listing(key, a, listing);
  cache.write(layout::blob(key, etag), "weig");
  start();
  EXPECT_THAT(states(a), ElementsAre("w.bin remote"));
  EXPECT_EQ(tree(a)->file("w.bin")->size, 7U);
  cache.write(layout::blob(key, etag), "weights");
  trees().drop(key);
  EXPECT_THAT(states(a), ElementsAre("w.bin cached"));
}

TEST_F(TreeBuilding, GoodBlobOfAnotherRootIsTakenInsteadOfADamagedOne) {
  TempCache second;
  const BlobId etag = cache.add_file(key, a, "w.bin", "weights", true);
  second.add_file(key, a, "w.bin", "weights", true);
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  save_listing(key, a, listing);
  start({}, {&cache, &second});
  EXPECT_EQ(tree(a)->file("w.bin")->root, 0);
  cache.write(layout::blob(key, etag), "weig");
  trees().drop(key);
  EXPECT_THAT(states(a), ElementsAre("w.bin cached"));
  EXPECT_EQ(tree(a)->file("w.bin")->root, 1);
}

TEST_F(TreeBuilding, SnapshotsOfAllRootsAreOneTree) {
  TempCache second;
  cache.add_file(key, a, "first", "1");
  cache.add_file(key, a, "both", "b");
  second.add_file(key, a, "both", "b");
  second.add_file(key, a, "second", "2");
  start({}, {&cache, &second});
  EXPECT_THAT(states(a), ElementsAre("both cached", "first cached", "second cached"));
  EXPECT_EQ(tree(a)->file("both")->root, 0);
  EXPECT_EQ(tree(a)->file("second")->root, 1);
}

TEST_F(TreeBuilding, HiddenNamesAreLeftOutUnlessASnapshotHasThem) {
  cache.add_file(key, a, "f", "x");
  Listing listing;
  list_file(listing, "f", "x");
  list_file(listing, "gone.bin", "far");
  list_file(listing, "sub/gone.bin", "far too");
  list_file(listing, "sub/stays.bin", "far as well");
  list_file(listing, "emptied/gone.bin", "and this");
  save_listing(key, a, listing);
  start();
  for (const char* path : {"f", "gone.bin", "sub/gone.bin", "sub", "emptied/gone.bin"}) memory().hide(key, a, path);
  EXPECT_THAT(states(a), ElementsAre("f cached", "sub/stays.bin remote"));
  EXPECT_TRUE(tree(a)->has_folder("sub")) << "it holds a file";
  EXPECT_TRUE(tree(a)->has_folder("emptied")) << "it waits for its rmdir";
  memory().hide(key, a, "emptied");
  trees().drop(key);
  EXPECT_FALSE(tree(a)->has_folder("emptied"));
}

TEST_F(TreeBuilding, PartialSaysWhatHasArrived) {
  cache.add_file(key, a, "f", "x");
  add_partial(key, a, "w.bin", "weights");
  start();
  EXPECT_THAT(states(a), ElementsAre("f cached", "w.bin partial"));
  const TreeFile& file = *tree(a)->file("w.bin");
  EXPECT_EQ(file.size, 7U);
  EXPECT_EQ(file.partial_bytes, 2U);
  EXPECT_GE(file.blocks, 1U);
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  list_file(listing, "copy.bin", "weights", true);
  save_listing(key, a, listing);
  start();
  EXPECT_THAT(states(a), ElementsAre("copy.bin partial", "f cached", "w.bin partial"));
}

TEST_F(TreeBuilding, PartialIsOfItsCommitAndNotShownWhereHiddenOrOfAnotherLength) {
  cache.add_file(key, a, "f", "x");
  cache.add_file(key, b, "f", "x");
  add_partial(key, a, "sub/w.bin", "weights");
  start();
  EXPECT_THAT(states(b), ElementsAre("f cached"));
  EXPECT_TRUE(tree(a)->has_folder("sub"));
  memory().hide(key, a, "sub/w.bin");
  trees().drop(key);
  EXPECT_THAT(states(a), ElementsAre("f cached"));
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  listing["w.bin"].size = 9;
  save_listing(key, b, listing);
  start();
  EXPECT_THAT(states(b), ElementsAre("f cached", "w.bin remote"));
}

TEST_F(TreeBuilding, RepoOfWhichOnlyAPartialIsHereHasATree) {
  add_partial(key, a, "w.bin", "weights");
  start();
  EXPECT_THAT(states(a), ElementsAre("w.bin partial"));
  EXPECT_EQ(tree(a)->folder_permission().mode & 0700U, 0700U);
}

TEST_F(TreeBuilding, EmptyFoldersAreFolders) {
  cache.add_file(key, a, "f", "x");
  cache.make_dir(layout::snapshot(key, a) + "/empty/deeper");
  cache.link(layout::snapshot(key, a) + "/link", "empty");
  start();
  EXPECT_TRUE(tree(a)->has_folder("empty"));
  EXPECT_TRUE(tree(a)->has_folder("empty/deeper"));
  EXPECT_FALSE(tree(a)->has_folder("link"));
  EXPECT_THAT(states(a), ElementsAre("f cached"));
}

TEST_F(TreeBuilding, WhatLeadsOutsideIsNotShown) {
  cache.add_file(key, a, "f", "x");
  cache.link(layout::snapshot(key, a) + "/passwd", "/etc/passwd");
  cache.make_fifo(layout::snapshot(key, a) + "/fifo");
  start();
  EXPECT_THAT(states(a), ElementsAre("f cached"));
  Listing listing;
  list_file(listing, "fifo", "true content");
  save_listing(key, a, listing);
  start();
  EXPECT_THAT(states(a), ElementsAre("f cached", "fifo remote"));
  EXPECT_EQ(tree(a)->file("fifo")->etag, blob_id(git_sha1_of("true content")));
}

TEST_F(TreeBuilding, RealFileIsAFileOfItsOwn) {
  cache.write(layout::snapshot(key, a) + "/notes.txt", "mine");
  set_time(cache, layout::snapshot(key, a) + "/notes.txt", 5'000);
  start();
  const TreeFile& file = *tree(a)->file("notes.txt");
  EXPECT_EQ(file.state, FileState::kRealFile);
  EXPECT_EQ(file.size, 4U);
  EXPECT_EQ(file.etag, std::nullopt);
  EXPECT_EQ(file.mtime_ns, 5'000 * kSecond);
  const std::string before = file.identity;
  cache.remove(layout::snapshot(key, a) + "/notes.txt");
  cache.write(layout::snapshot(key, a) + "/in-between", "x");
  cache.write(layout::snapshot(key, a) + "/notes.txt", "mine");
  trees().drop(key);
  EXPECT_NE(tree(a)->file("notes.txt")->identity, before);
}

TEST_F(TreeBuilding, IdentityIsThatOfTheBlobOrThePayload) {
  cache.add_file(key, a, "one", "same");
  cache.add_file(key, a, "two", "same");
  cache.add_file(key, b, "three", "same");
  cache.add_file(key, a, "other", "other");
  const RepoKey twin = test::repo_key("model/org/twin");
  cache.add_file(twin, a, "one", "same");
  cache.add_shared_file(key, a, "shared", "payload");
  cache.add_shared_file(twin, a, "shared", "payload");
  start();
  const std::string one = tree(a)->file("one")->identity;
  EXPECT_EQ(tree(a)->file("two")->identity, one);
  EXPECT_EQ(tree(b)->file("three")->identity, one);
  EXPECT_NE(tree(a)->file("other")->identity, one);
  EXPECT_NE(trees().get(twin, a)->file("one")->identity, one);
  EXPECT_EQ(trees().get(twin, a)->file("shared")->identity, tree(a)->file("shared")->identity);
}

TEST_F(TreeBuilding, IdentityStaysWhenTheBlobArrives) {
  cache.add_file(key, a, "f", "x");
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  save_listing(key, a, listing);
  start();
  const std::string before = tree(a)->file("w.bin")->identity;
  cache.add_file(key, a, "w.bin", "weights", true);
  trees().drop(key);
  EXPECT_EQ(tree(a)->file("w.bin")->state, FileState::kCached);
  EXPECT_EQ(tree(a)->file("w.bin")->identity, before);
}

TEST_F(TreeBuilding, TimeIsWhenTheFirstCommitWithTheBlobWasSeen) {
  cache.add_file(key, a, "old", "old");
  cache.add_file(key, b, "old", "old");
  cache.add_file(key, b, "new", "new");
  set_time(cache, layout::snapshot(key, a), 1'000);
  set_time(cache, layout::snapshot(key, b), 2'000);
  start();
  EXPECT_EQ(tree(b)->first_seen_ns(), 2'000 * kSecond);
  EXPECT_EQ(tree(b)->file("old")->mtime_ns, 1'000 * kSecond);
  EXPECT_EQ(tree(b)->file("new")->mtime_ns, 2'000 * kSecond);
  EXPECT_EQ(tree(a)->file("old")->mtime_ns, 1'000 * kSecond);
}

TEST_F(TreeBuilding, XetHashComesFromTheListing) {
  cache.add_file(key, a, "w.bin", "weights", true);
  Listing listing;
  list_file(listing, "w.bin", "weights", true);
  list_file(listing, "far.bin", "far", true);
  listing["w.bin"].xet_hash = test::xet_hash_of("weights");
  listing["far.bin"].xet_hash = test::xet_hash_of("far");
  save_listing(key, a, listing);
  start();
  EXPECT_EQ(tree(a)->file("w.bin")->xet_hash, test::xet_hash_of("weights"));
  EXPECT_EQ(tree(a)->file("far.bin")->xet_hash, test::xet_hash_of("far"));
}

TEST_F(TreeBuilding, PermissionsAreThoseOfTheCache) {
  const BlobId open = cache.add_file(key, a, "open", "1");
  const BlobId closed = cache.add_file(key, a, "closed", "2");
  cache.chmod(layout::blob(key, open), 0644);
  cache.chmod(layout::blob(key, closed), 0600);
  cache.chmod(layout::repo_folder(key), 0751);
  cache.chmod(layout::blobs_dir(key), 0755);
  Listing listing;
  list_file(listing, "far", "3");
  save_listing(key, a, listing);
  start();
  EXPECT_EQ(tree(a)->folder_permission().mode, 0751U);
  EXPECT_EQ(tree(a)->file("closed")->permission.mode, 0600U);
  EXPECT_EQ(tree(a)->file("open")->permission.mode, 0644U);
  EXPECT_EQ(tree(a)->file("far")->permission.mode, 0640U);
  cache.chmod(layout::blobs_dir(key), 0700);
  trees().drop(key);
  EXPECT_EQ(tree(a)->file("open")->permission.mode, 0600U);
}

}  // namespace
}  // namespace hubfs
