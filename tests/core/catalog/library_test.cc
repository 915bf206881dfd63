// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/catalog/library_fixture.h"

namespace hubfs {
namespace {

using test::ref_name;
using test::repo_key;
using test::TempCache;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kName = "model/org/name";

std::int64_t ns(std::int64_t seconds) { return seconds * 1'000'000'000; }

using LibraryOfACache = test::LibraryFixture;

TEST_F(LibraryOfACache, EmptyCacheHasNothing) {
  start();
  EXPECT_THAT(library().all(), IsEmpty());
  EXPECT_THAT(library().families(), IsEmpty());
  EXPECT_FALSE(library().has_type(RepoType::kModel));
  EXPECT_EQ(library().find(repo_key(kName)), nullptr);
}

TEST_F(LibraryOfACache, FilesModelsByFamilyAndTheOthersByType) {
  model(cache, "model/a/mine", a, "gemma");
  model(cache, "model/b/Llama-3", a);
  model(cache, "model/solo", a);
  cache.add_file(repo_key("dataset/d/llama-talks"), a, "f", "x");
  start();
  EXPECT_THAT(library().families(), ElementsAre("gemma", "llama", "other"));
  EXPECT_THAT(shelf_names(RepoType::kModel, "gemma"), ElementsAre("mine"));
  EXPECT_THAT(shelf_names(RepoType::kDataset, "ignored"), ElementsAre("llama-talks"));
  EXPECT_EQ(library().find_on_shelf(RepoType::kModel, "llama", "Llama-3")->key, repo_key("model/b/Llama-3"));
  EXPECT_EQ(library().find_on_shelf(RepoType::kModel, "gemma", "Llama-3"), nullptr);
  EXPECT_EQ(library().find_on_shelf(RepoType::kModel, "none", "Llama-3"), nullptr);
  EXPECT_EQ(library().find_on_shelf(RepoType::kDataset, "", "llama-talks")->type, "dataset");
  EXPECT_TRUE(library().has_type(RepoType::kDataset));
  EXPECT_FALSE(library().has_type(RepoType::kSpace));
  EXPECT_THAT(library().orgs(RepoType::kModel), ElementsAre("_", "a", "b"));
  EXPECT_THAT(library().orgs(RepoType::kDataset), ElementsAre("d"));
  ASSERT_THAT(library().repos_of(RepoType::kModel, "_"), SizeIs(1));
  EXPECT_EQ(library().repos_of(RepoType::kModel, "_").front()->key, repo_key("model/solo"));
}

TEST_F(LibraryOfACache, DefaultRevisionIsMain) {
  model(cache, kName, a);
  model(cache, kName, b);
  seen_at(cache, kName, a, 1'000);
  seen_at(cache, kName, b, 2'000);
  cache.set_ref(repo_key(kName), "main", a);
  start();
  EXPECT_EQ(find(kName)->default_commit, a);
}

TEST_F(LibraryOfACache, WithoutMainTheCommitFirstSeenLastIsTheDefault) {
  model(cache, kName, a);
  model(cache, kName, b);
  model(cache, kName, c);
  seen_at(cache, kName, a, 1'000);
  seen_at(cache, kName, b, 3'000);
  seen_at(cache, kName, c, 2'000);
  cache.set_ref(repo_key(kName), "v1", a);
  start();
  EXPECT_EQ(find(kName)->default_commit, b);
}

TEST_F(LibraryOfACache, RefsToMissingSnapshotsChooseNothingAndHaveNoFolder) {
  model(cache, kName, a);
  model(cache, kName, b);
  seen_at(cache, kName, a, 2'000);
  seen_at(cache, kName, b, 1'000);
  cache.set_ref(repo_key(kName), "main", c);
  cache.set_ref(repo_key(kName), "v1", b);
  start();
  const RepoPtr repo = find(kName);
  EXPECT_EQ(repo->default_commit, a);
  EXPECT_EQ(repo->refs.at(ref_name("main")), c);
  EXPECT_THAT(folders_of(kName), ElementsAre("name@aaaaaaaaaaaa", "name@v1"));
}

TEST_F(LibraryOfACache, WhatWasSeenFirstStaysSo) {
  model(cache, kName, a);
  model(cache, kName, b);
  seen_at(cache, kName, a, 1'000);
  seen_at(cache, kName, b, 2'000);
  start();
  seen_at(cache, kName, a, 9'000);
  start();
  EXPECT_EQ(find(kName)->default_commit, b);
  EXPECT_EQ(find(kName)->first_seen_ns.at(a), ns(1'000));
  library().refresh(repo_key(kName));
  EXPECT_EQ(find(kName)->first_seen_ns.at(a), ns(1'000));
}

TEST_F(LibraryOfACache, EachCommitHasOneFolderMainBeforeTheFirstByName) {
  model(cache, kName, a);
  model(cache, kName, b);
  model(cache, kName, c);
  for (const char* ref : {"alpha", "main", "v2"}) cache.set_ref(repo_key(kName), ref, a);
  for (const char* ref : {"z", "refs/pr/1", "v1%"}) cache.set_ref(repo_key(kName), ref, b);
  start();
  EXPECT_THAT(find(kName)->hub_folders, ElementsAre(HubFolder{"name@cccccccccccc", c}, HubFolder{"name@main", a},
                                                    HubFolder{"name@refs%2Fpr%2F1", b}));
}

TEST_F(LibraryOfACache, RevisionsAreFoundByRefCommitAndTwelveDigits) {
  model(cache, kName, a);
  cache.set_ref(repo_key(kName), "main", a);
  cache.set_ref(repo_key(kName), "old", b);
  start();
  const RepoPtr repo = find(kName);
  EXPECT_EQ(repo->find_revision("main"), a);
  EXPECT_EQ(repo->find_revision("old"), b);
  EXPECT_EQ(repo->find_revision(a.text()), a);
  EXPECT_EQ(repo->find_revision(a.short_text()), a);
  EXPECT_EQ(repo->find_revision(std::string(11, 'a')), std::nullopt);
  EXPECT_EQ(repo->find_revision(b.short_text()), std::nullopt);
  EXPECT_EQ(repo->find_revision("none"), std::nullopt);
  EXPECT_EQ(repo->find_revision(""), std::nullopt);
}

TEST_F(LibraryOfACache, CommitsThatBeginAlikeGetAsManyDigitsAsTheyNeed) {
  const CommitHash first = *CommitHash::parse("abcdef123456" + std::string(28, '0'));
  const CommitHash second = *CommitHash::parse("abcdef1234560" + std::string(27, '1'));
  model(cache, kName, first);
  model(cache, kName, second);
  model(cache, kName, c);
  start();
  EXPECT_THAT(find(kName)->hub_folders,
              ElementsAre(HubFolder{"name@abcdef12345600", first}, HubFolder{"name@abcdef12345601", second},
                          HubFolder{"name@cccccccccccc", c}));
  EXPECT_EQ(find(kName)->find_revision("abcdef12345600"), first);
  EXPECT_EQ(find(kName)->find_revision("abcdef12345601"), second);
  EXPECT_EQ(find(kName)->find_revision("abcdef123456"), std::nullopt) << "it could be either";
}

TEST_F(LibraryOfACache, RefNamedLikeTheDigitsOfACommitIsTheRef) {
  model(cache, kName, a);
  model(cache, kName, b);
  cache.set_ref(repo_key(kName), a.short_text(), b);
  start();
  EXPECT_THAT(find(kName)->hub_folders, ElementsAre(HubFolder{"name@aaaaaaaaaaaa", b}, HubFolder{"name@aaaaaaaaaaaaa", a}));
  EXPECT_EQ(find(kName)->find_revision(a.short_text()), b);
  EXPECT_EQ(find(kName)->find_revision(std::string(13, 'a')), a);
}

TEST_F(LibraryOfACache, OneRepoInTwoRootsIsOneAndTheFirstRootsRefsWin) {
  TempCache second;
  model(cache, kName, a);
  model(second, kName, b);
  model(second, "model/org/only-there", a);
  cache.set_ref(repo_key(kName), "main", a);
  second.set_ref(repo_key(kName), "main", b);
  second.set_ref(repo_key(kName), "v1", b);
  start({&cache, &second});
  const RepoPtr repo = find(kName);
  EXPECT_THAT(library().all(), SizeIs(2));
  EXPECT_EQ(repo->commits, (std::set{a, b}));
  EXPECT_EQ(repo->default_commit, a);
  EXPECT_EQ(repo->refs, (std::map<RefName, CommitHash>{{ref_name("main"), a}, {ref_name("v1"), b}}));
  ASSERT_THAT(repo->copies, SizeIs(2));
  EXPECT_EQ(repo->copies[0].root, roots[0]);
  EXPECT_EQ(repo->copies[1].root, roots[1]);
  EXPECT_EQ(repo->folder()->st_ino, repo->copies[0].disk.folder.st_ino);
  ASSERT_THAT(find("model/org/only-there")->copies, SizeIs(1));
  EXPECT_EQ(find("model/org/only-there")->copies[0].root, roots[1]);
}

TEST_F(LibraryOfACache, EvidenceOfAnotherRootCounts) {
  TempCache second;
  cache.add_file(repo_key("model/a/mine"), a, "w.bin", "x");
  model(second, "model/a/mine", a, "gemma");
  start({&cache, &second});
  EXPECT_EQ(find("model/a/mine")->family, "gemma");
}

TEST_F(LibraryOfACache, RepoOfWhichOnlyPartialsAreHereIsARepo) {
  add_partial(cache, "model/org/Llama-3", a, ref_name("main"));
  start();
  const RepoPtr repo = find("model/org/Llama-3");
  ASSERT_NE(repo, nullptr);
  EXPECT_EQ(repo->folder(), nullptr);
  EXPECT_EQ(repo->default_commit, a);
  EXPECT_THAT(repo->partials, SizeIs(1));
  EXPECT_THAT(folders_of("model/org/Llama-3"), ElementsAre("Llama-3@main"));
  EXPECT_THAT(shelf_names(RepoType::kModel, "llama"), ElementsAre("Llama-3"));
}

TEST_F(LibraryOfACache, RefOfAPartialDoesNotWinOverTheOneOnDisk) {
  model(cache, kName, a);
  cache.set_ref(repo_key(kName), "main", a);
  add_partial(cache, kName, b, ref_name("main"));
  start();
  EXPECT_EQ(find(kName)->refs.at(ref_name("main")), a);
  EXPECT_EQ(find(kName)->commits, (std::set{a, b}));
}

TEST_F(LibraryOfACache, RepoFolderWithoutCommitsHasNoPlace) {
  cache.make_dir(layout::repo_folder(repo_key("model/org/llama")));
  start();
  ASSERT_NE(find("model/org/llama"), nullptr);
  EXPECT_EQ(find("model/org/llama")->default_commit, std::nullopt);
  EXPECT_THAT(library().families(), IsEmpty());
  EXPECT_THAT(library().orgs(RepoType::kModel), IsEmpty());
  EXPECT_FALSE(library().has_type(RepoType::kModel));
}

TEST_F(LibraryOfACache, CorruptRepoReportsAProblemAndHidesNobody) {
  model(cache, kName, a);
  model(cache, "model/org/well", a);
  cache.write(layout::refs_dir(repo_key(kName)) + "/main", "no commit at all");
  cache.write(layout::snapshots_dir(repo_key(kName)) + "/stray", "x");
  start();
  EXPECT_THAT(library().all(), SizeIs(2));
  EXPECT_EQ(find(kName)->default_commit, a);
  EXPECT_EQ(find("model/org/well")->default_commit, a);
  ASSERT_FALSE(library().problems().empty());
  for (const std::string& problem : library().problems()) EXPECT_THAT(problem, testing::StartsWith("model/org/name: "));
  cache.set_ref(repo_key(kName), "main", a);
  cache.remove(layout::snapshots_dir(repo_key(kName)) + "/stray");
  library().refresh(repo_key(kName));
  EXPECT_THAT(library().problems(), IsEmpty());
}

TEST_F(LibraryOfACache, NamesGivenStayAcrossARestart) {
  model(cache, "model/z/Llama-3", a);
  start();
  EXPECT_EQ(name_of("model/z/Llama-3"), "Llama-3");
  model(cache, "model/a/Llama-3", a);
  start();
  EXPECT_EQ(name_of("model/z/Llama-3"), "Llama-3");
  EXPECT_EQ(name_of("model/a/Llama-3"), "Llama-3~a");
  cache.remove(layout::repo_folder(repo_key("model/z/Llama-3")));
  start();
  EXPECT_EQ(name_of("model/a/Llama-3"), "Llama-3~a");
  EXPECT_THAT(shelf_names(RepoType::kModel, "llama"), ElementsAre("Llama-3~a"));
}

TEST_F(LibraryOfACache, NameOnAnotherShelfIsNoClash) {
  model(cache, "model/a/mine", a, "gemma");
  model(cache, "model/b/mine", a, "llama");
  start();
  EXPECT_EQ(name_of("model/a/mine"), "mine");
  EXPECT_EQ(name_of("model/b/mine"), "mine");
}

TEST_F(LibraryOfACache, FamilyIsRememberedWhileItsEvidenceIsTheDefault) {
  model(cache, "model/a/mine", a, "gemma");
  start();
  const BlobId config = test::blob_id(test::git_sha1_of(R"({"model_type": "gemma"})"));
  cache.remove(layout::blob(repo_key("model/a/mine"), config));
  start();
  EXPECT_EQ(find("model/a/mine")->family, "gemma");
  EXPECT_EQ(find("model/a/mine")->type, "llm");
  model(cache, "model/a/mine", b, "llama");
  cache.set_ref(repo_key("model/a/mine"), "main", b);
  start();
  EXPECT_EQ(find("model/a/mine")->family, "llama");
}

}  // namespace
}  // namespace hubfs
