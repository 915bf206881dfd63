// SPDX-License-Identifier: Apache-2.0
#include "fs/remover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/cache/layout.h"
#include "core/cache/partial_file.h"
#include "core/cache/state_paths.h"
#include "tests/fs/remover_fixture.h"

namespace hubfs {
namespace {

using test::repo_key;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

const std::string kModel = "models/llama/Llama-3";
const Caller kStranger{12'345, {12'345}};

class RemoverOfAView : public test::RemoverFixture {
 protected:
  void SetUp() override {
    both = cache.add_file(key, a, "both.bin", "both");
    cache.add_file(key, b, "both.bin", "both");
    only_a = cache.add_file(key, a, "sub/a.bin", "a");
    changed = cache.add_file(key, a, "config.json", "{}");
    cache.add_file(key, b, "config.json", "{ }");
    cache.set_ref(key, "main", a);
    cache.set_ref(key, "v1", b);
  }
  [[nodiscard]] bool has_entry(const CommitHash& commit, const std::string& path) const {
    return cache.exists(layout::snapshot_entry(key, commit, test::rel_path(path)));
  }
  [[nodiscard]] bool has_blob(const BlobId& etag) const { return cache.exists(layout::blob(key, etag)); }
  BlobId both = test::blob_id("x");
  BlobId only_a = test::blob_id("x");
  BlobId changed = test::blob_id("x");
};

TEST_F(RemoverOfAView, FileOfTheDefaultPlaceGoesFromEveryCommitThatHasTheSame) {
  start();
  EXPECT_TRUE(unlink(kModel + "/both.bin"));
  EXPECT_FALSE(has_entry(a, "both.bin"));
  EXPECT_FALSE(has_entry(b, "both.bin"));
  EXPECT_FALSE(has_blob(both));
  EXPECT_FALSE(find(kModel + "/both.bin"));
  EXPECT_FALSE(find("hub/org/Llama-3@v1/both.bin"));
  EXPECT_THAT(changed_keys, IsEmpty());
}

TEST_F(RemoverOfAView, FileWithOtherContentInAnotherCommitStaysThere) {
  start();
  EXPECT_TRUE(unlink(kModel + "/config.json"));
  EXPECT_FALSE(has_entry(a, "config.json"));
  EXPECT_FALSE(has_blob(changed));
  EXPECT_TRUE(has_entry(b, "config.json"));
  EXPECT_TRUE(find("hub/org/Llama-3@v1/config.json"));
}

TEST_F(RemoverOfAView, FileOfARevisionPlaceGoesFromThatCommitOnly) {
  start();
  EXPECT_TRUE(unlink("hub/org/Llama-3@main/both.bin"));
  EXPECT_FALSE(has_entry(a, "both.bin"));
  EXPECT_TRUE(has_entry(b, "both.bin"));
  EXPECT_TRUE(has_blob(both));
  EXPECT_FALSE(find(kModel + "/both.bin"));
  EXPECT_TRUE(find("hub/org/Llama-3@v1/both.bin"));
}

TEST_F(RemoverOfAView, BareNameInHubIsTheDefaultPlace) {
  start();
  EXPECT_TRUE(unlink("hub/org/Llama-3/both.bin"));
  EXPECT_FALSE(has_entry(b, "both.bin"));
  EXPECT_TRUE(rmdir("hub/org/Llama-3"));
  EXPECT_FALSE(cache.exists(layout::repo_folder(key)));
}

TEST_F(RemoverOfAView, RemovedFileStaysHiddenThoughItIsListed) {
  Listing listing;
  list_file(listing, "both.bin", "both");
  list_file(listing, "far.bin", "far", true);
  save_listing(key, a, listing);
  start();
  EXPECT_TRUE(unlink(kModel + "/both.bin"));
  EXPECT_TRUE(unlink(kModel + "/far.bin"));
  EXPECT_TRUE(memory().is_hidden(key, a, "both.bin"));
  EXPECT_TRUE(memory().is_hidden(key, a, "far.bin"));
  EXPECT_FALSE(find(kModel + "/far.bin"));
  library().refresh(key);
  trees().drop(key);
  EXPECT_FALSE(find(kModel + "/both.bin"));
  EXPECT_FALSE(find(kModel + "/far.bin"));
  EXPECT_TRUE(memory().flush());
  start();
  EXPECT_FALSE(find(kModel + "/far.bin"));
}

TEST_F(RemoverOfAView, PartialDownloadGoesWithItsFile) {
  add_partial(key, a, "w.bin", "weights");
  start();
  ASSERT_TRUE(find(kModel + "/w.bin"));
  EXPECT_TRUE(unlink(kModel + "/w.bin"));
  EXPECT_THAT(list_partials(cache.root(), key), IsEmpty());
  EXPECT_FALSE(find(kModel + "/w.bin"));
}

TEST_F(RemoverOfAView, UnlinkRefusesWhatIsNoFile) {
  start();
  EXPECT_EQ(kind_of(unlink(kModel + "/none")), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(unlink(kModel + "/sub")), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(unlink("models/llama")), ErrorKind::kReadOnly);
  EXPECT_EQ(kind_of(unlink(".hubfs/status.json")), ErrorKind::kReadOnly);
  EXPECT_TRUE(unlink(kModel + "/sub/a.bin"));
  EXPECT_EQ(kind_of(unlink(kModel + "/sub/a.bin")), ErrorKind::kNotFound);
}

TEST_F(RemoverOfAView, RmdirOfAModelTakesTheRepoWithEverything) {
  add_partial(key, a, "w.bin", "weights");
  cache.add_file(repo_key("model/org/Llama-2"), a, "f", "x");
  start();
  memory().hide(key, a, "h");
  EXPECT_TRUE(rmdir(kModel));
  EXPECT_FALSE(cache.exists(layout::repo_folder(key)));
  EXPECT_THAT(list_partial_repos(cache.root()), IsEmpty());
  EXPECT_EQ(memory().repo(key), RememberedRepo{});
  EXPECT_THAT(changed_keys, ElementsAre(key));
  EXPECT_FALSE(find(kModel));
  EXPECT_TRUE(find("models/llama/Llama-2"));
  remover().drain();
  EXPECT_TRUE(std::filesystem::is_empty(cache.root().state_path() + "/" + state::kTrash));
}

// The first takes so long that the others are still queued when the mount ends.
TEST_F(RemoverOfAView, WhatWasSetAsideIsDeletedAtTheLatestAtTheEnd) {
  for (int i = 0; i < 3'000; ++i) cache.write(layout::snapshot(key, a) + "/many/" + std::to_string(i), "");
  const std::vector<std::string> others{"model/x/Llama-4", "model/x/Llama-5", "model/x/Llama-6"};
  for (const std::string& each : others) cache.add_file(repo_key(each), a, "f", "x");
  start();
  EXPECT_TRUE(rmdir(kModel));
  for (const std::string& each : others) EXPECT_TRUE(rmdir("hub/" + repo_key(each).id.text()));
  start();
  EXPECT_TRUE(std::filesystem::is_empty(cache.root().state_path() + "/" + state::kTrash));
}

TEST_F(RemoverOfAView, RepoOfWhichOnlyPartialsAreHereGoesToo) {
  const RepoKey far = repo_key("model/org/Llama-9");
  add_partial(far, a, "w.bin", "weights", test::ref_name("main"));
  start();
  EXPECT_TRUE(rmdir("models/llama/Llama-9"));
  EXPECT_THAT(list_partial_repos(cache.root()), IsEmpty());
  EXPECT_FALSE(find("models/llama/Llama-9"));
}

TEST_F(RemoverOfAView, RmdirOfARevisionPlaceTakesThatCommit) {
  start();
  EXPECT_TRUE(rmdir("hub/org/Llama-3@main"));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a)));
  EXPECT_FALSE(cache.exists(layout::ref(key, test::ref_name("main"))));
  EXPECT_FALSE(has_blob(only_a));
  EXPECT_TRUE(has_blob(both));
  EXPECT_TRUE(has_entry(b, "both.bin"));
  EXPECT_THAT(changed_keys, ElementsAre(key));
  EXPECT_THAT(names("hub/org"), ElementsAre("Llama-3@v1/"));
  EXPECT_EQ(view().commit_of(dir(kModel)), b);
}

TEST_F(RemoverOfAView, PlaceWithARevisionInModelsTakesThatCommitToo) {
  start();
  EXPECT_TRUE(rmdir(kModel + "@v1"));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, b)));
  EXPECT_TRUE(cache.exists(layout::snapshot(key, a)));
}

TEST_F(RemoverOfAView, LastCommitTakesTheRepo) {
  start();
  EXPECT_TRUE(rmdir("hub/org/Llama-3@main"));
  EXPECT_TRUE(rmdir("hub/org/Llama-3@v1"));
  EXPECT_FALSE(cache.exists(layout::repo_folder(key)));
  EXPECT_EQ(memory().repo(key), RememberedRepo{});
  EXPECT_THAT(names("hub/org"), IsEmpty());
}

TEST_F(RemoverOfAView, CommitOfWhichOnlyAPartialIsHereLosesThat) {
  add_partial(key, c, "w.bin", "weights");
  add_partial(key, a, "other.bin", "of another commit");
  start();
  EXPECT_TRUE(rmdir("hub/org/Llama-3@" + c.text()));
  EXPECT_THAT(list_partials(cache.root(), key), ElementsAre(Pair(test::sha256_of("of another commit"), testing::_)));
  EXPECT_TRUE(cache.exists(layout::snapshot(key, a)));
  EXPECT_THAT(names("hub/org"), ElementsAre("Llama-3@main/", "Llama-3@v1/"));
}

TEST_F(RemoverOfAView, PinnedIsNotRemovedByAnyWay) {
  cache.make_dir(layout::snapshot(key, a) + "/empty");
  start();
  pin();
  const auto before = cache.names();
  for (const std::string& path : {kModel, std::string("hub/org/Llama-3@main"), kModel + "/empty"}) {
    EXPECT_EQ(kind_of(rmdir(path)), ErrorKind::kPinned) << path;
  }
  EXPECT_EQ(kind_of(unlink(kModel + "/both.bin")), ErrorKind::kPinned);
  EXPECT_EQ(cache.names(), before);
  EXPECT_TRUE(find(kModel + "/both.bin"));
  EXPECT_THAT(rmdir(kModel).error().message, HasSubstr("user.hubfs.pinned"));
}

TEST_F(RemoverOfAView, StrangerIsRefusedAndNothingChanges) {
  cache.make_dir(layout::snapshot(key, a) + "/empty");
  start();
  const auto before = cache.names();
  for (const std::string& path : {kModel, std::string("hub/org/Llama-3@main"), kModel + "/empty"}) {
    EXPECT_EQ(kind_of(rmdir(path, kStranger)), ErrorKind::kAccessDenied) << path;
  }
  EXPECT_EQ(kind_of(unlink(kModel + "/both.bin", kStranger)), ErrorKind::kAccessDenied);
  EXPECT_EQ(cache.names(), before);
  EXPECT_TRUE(find(kModel + "/both.bin"));
  EXPECT_TRUE(find(kModel + "/empty"));
  EXPECT_FALSE(memory().is_hidden(key, a, "both.bin"));
  EXPECT_THAT(changed_keys, IsEmpty());
}

TEST_F(RemoverOfAView, FolderThatListsSomethingIsNotEmpty) {
  start();
  const auto before = cache.names();
  for (const std::string& path : {kModel + "/sub", std::string("models/llama"), std::string("hub/org")}) {
    EXPECT_EQ(kind_of(rmdir(path)), ErrorKind::kNotEmpty) << path;
  }
  EXPECT_EQ(cache.names(), before);
}

TEST_F(RemoverOfAView, EmptiedFolderOfARevisionGoesFromEveryCommit) {
  cache.add_file(key, b, "sub/a.bin", "a");
  start();
  EXPECT_TRUE(unlink(kModel + "/sub/a.bin"));
  EXPECT_TRUE(find(kModel + "/sub"));
  EXPECT_TRUE(rmdir(kModel + "/sub"));
  EXPECT_FALSE(find(kModel + "/sub"));
  EXPECT_FALSE(find("hub/org/Llama-3@v1/sub"));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a) + "/sub"));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, b) + "/sub"));
}

TEST_F(RemoverOfAView, FolderThatIsEmptyHereAndFullInAnotherCommitStaysThere) {
  cache.add_file(key, b, "sub/other.bin", "other");
  start();
  EXPECT_TRUE(unlink(kModel + "/sub/a.bin"));
  EXPECT_TRUE(rmdir(kModel + "/sub"));
  EXPECT_FALSE(find(kModel + "/sub"));
  EXPECT_TRUE(find("hub/org/Llama-3@v1/sub/other.bin"));
}

TEST_F(RemoverOfAView, EmptiedFolderStaysAwayThoughItIsListed) {
  Listing listing;
  list_file(listing, "sub/a.bin", "a");
  save_listing(key, a, listing);
  start();
  EXPECT_TRUE(unlink(kModel + "/sub/a.bin"));
  EXPECT_TRUE(rmdir(kModel + "/sub"));
  library().refresh(key);
  trees().drop(key);
  EXPECT_FALSE(find(kModel + "/sub"));
}

TEST_F(RemoverOfAView, TopFoldersCannotBeRemoved) {
  cache.add_file(repo_key("dataset/d/set"), a, "f", "x");
  start();
  for (const char* path : {"models", "hub", "datasets", ".hubfs"}) {
    const Status status = rmdir(path);
    EXPECT_EQ(kind_of(status), ErrorKind::kPinned) << path;
    EXPECT_THAT(status.error().message, HasSubstr(path));
  }
}

TEST_F(RemoverOfAView, WhatIsNotThereOrAFileIsRefused) {
  start();
  EXPECT_EQ(kind_of(rmdir("models/none")), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(rmdir("hub/org/none")), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(rmdir(kModel + "/none")), ErrorKind::kNotFound);
  EXPECT_EQ(rmdir(kModel + "/both.bin").error().sys_errno, ENOTDIR);
}

// As `rm -r models/llama` goes: the family is still there for its own rmdir, and gone after it.
TEST_F(RemoverOfAView, FolderAboveStaysUntilItsOwnRmdir) {
  start();
  EXPECT_TRUE(rmdir(kModel));
  EXPECT_THAT(names("models"), ElementsAre("llama/"));
  EXPECT_TRUE(rmdir("models/llama"));
  EXPECT_THAT(names("models"), IsEmpty());
  EXPECT_EQ(kind_of(rmdir("models/llama")), ErrorKind::kNotFound);
}

TEST_F(RemoverOfAView, FolderAboveDoesNotStayForARefusedRemoval) {
  start();
  EXPECT_FALSE(rmdir(kModel, kStranger));
  cache.remove(layout::repo_folder(key));
  library().refresh(key);
  EXPECT_FALSE(find("models/llama"));
}

TEST_F(RemoverOfAView, EmptyOrgCanBeRemovedAndIsNothing) {
  start();
  EXPECT_TRUE(rmdir("hub/nobody"));
  EXPECT_TRUE(rmdir("hub/spaces"));
}

// Trees that somebody began to read before must not bring the name back.
TEST_F(RemoverOfAView, TreeReadBeforeTheRemovalIsMarked) {
  start();
  const RevisionTreePtr held = trees().get(key, b);
  EXPECT_TRUE(unlink(kModel + "/both.bin"));
  EXPECT_EQ(held->file("both.bin"), nullptr);
  EXPECT_NE(held->file("config.json"), nullptr);
}

TEST_F(RemoverOfAView, RealFileGoesFromItsCommitOnly) {
  cache.write(layout::snapshot(key, a) + "/notes", "mine");
  cache.write(layout::snapshot(key, b) + "/notes", "mine");
  start();
  EXPECT_TRUE(unlink(kModel + "/notes"));
  EXPECT_FALSE(has_entry(a, "notes"));
  EXPECT_TRUE(has_entry(b, "notes"));
}

TEST_F(RemoverOfAView, AnswerOfTheHubIsForgottenWithTheRepo) {
  loop.answers["/org/Llama-3/revision/main"] = {200, R"({"sha": ")" + c.text() + "\"}"};
  start();
  resolve(key, "main");
  ASSERT_TRUE(remote().known_commit(key, "main"));
  EXPECT_TRUE(rmdir(kModel));
  EXPECT_FALSE(remote().known_commit(key, "main"));
  EXPECT_FALSE(find("hub/org/Llama-3"));
}

}  // namespace
}  // namespace hubfs
