// SPDX-License-Identifier: Apache-2.0
//
// hub/: every cached commit once, and the way to what is not cached.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cache/layout.h"
#include "fs/view.h"
#include "tests/fs/view_fixture.h"

namespace hubfs {
namespace {

using test::ref_name;
using test::repo_key;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = DirSpec::Kind;
using Select = DirSpec::Select;

class ViewOfTheHub : public test::ViewFixture {
 protected:
  void SetUp() override {
    cache.add_file(key, a, "f", "x");
    cache.add_file(key, b, "f", "y");
    cache.set_ref(key, "main", a);
  }
  // Says what the Hub knows.
  void hub_knows(const std::string& repo, const std::string& revision, const CommitHash& commit) {
    loop.answers["/" + repo + "/revision/" + revision] = {200, R"({"sha": ")" + commit.text() + "\"}"};
  }
  std::optional<Need> need(const std::string& path) {
    Lookup found = look_up(path, true);
    const auto* asked = std::get_if<Need>(&found);
    return asked == nullptr ? std::nullopt : std::optional(*asked);
  }
  const RepoKey far = repo_key("model/far/away");
};

TEST_F(ViewOfTheHub, EveryCommitOfEveryRepoIsListedOnce) {
  cache.set_ref(key, "v1", a);
  cache.add_file(repo_key("model/solo"), a, "f", "x");
  cache.add_file(repo_key("dataset/d/set"), c, "f", "x");
  cache.set_ref(repo_key("dataset/d/set"), "refs/convert/parquet", c);
  start();
  EXPECT_THAT(names("hub"), ElementsAre("datasets/", "_/", "org/"));
  EXPECT_THAT(names("hub/org"), ElementsAre("Llama-3@bbbbbbbbbbbb/", "Llama-3@main/"));
  EXPECT_THAT(names("hub/_"), ElementsAre("solo@aaaaaaaaaaaa/"));
  EXPECT_THAT(names("hub/datasets"), ElementsAre("d/"));
  EXPECT_THAT(names("hub/datasets/d"), ElementsAre("set@refs%2Fconvert%2Fparquet/"));
  EXPECT_EQ(dir("hub/_/solo@aaaaaaaaaaaa").key, repo_key("model/solo"));
  EXPECT_EQ(dir("hub/datasets/d/set@refs%2Fconvert%2Fparquet").revision, "refs/convert/parquet");
}

TEST_F(ViewOfTheHub, AnyOrgThatCouldBeResolvesAndIsNotListed) {
  start();
  EXPECT_EQ(dir("hub/none").kind, Kind::kHubOrg);
  EXPECT_EQ(dir("hub/none").text, "none");
  EXPECT_THAT(names("hub/none"), IsEmpty());
  EXPECT_EQ(dir("hub/_").text, "_");
  EXPECT_EQ(dir("hub/datasets").kind, Kind::kHubType);
  EXPECT_EQ(dir("hub/spaces/none").type, RepoType::kSpace);
  for (const char* name : {".hidden", "a--b", "-x", "a b"}) EXPECT_FALSE(find(std::string("hub/") + name)) << name;
  EXPECT_EQ(dir("hub/models").kind, Kind::kHubOrg);
  EXPECT_THAT(names("hub"), ElementsAre("org/"));
}

TEST_F(ViewOfTheHub, OtherNamesOfACommitResolve) {
  cache.set_ref(key, "v1", a);
  cache.set_ref(key, "v2/x%", b);
  start();
  EXPECT_EQ(dir("hub/org/Llama-3").select, Select::kDefault);
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3")), a);
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3@v1")), a);
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3@v2%2Fx%25")), b);
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3@" + a.text())), a);
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3@" + a.short_text())), a);
}

TEST_F(ViewOfTheHub, OddRefNamesAreNoNames) {
  start();
  for (const char* name : {"Llama-3@", "Llama-3@a%", "Llama-3@..", "Llama-3@%2Fa", "Llama-3@a@b%zz", "@main", "a--b"}) {
    const Lookup found = look_up(std::string("hub/org/") + name, true);
    const auto* target = std::get_if<std::optional<Target>>(&found);
    ASSERT_NE(target, nullptr) << name;
    EXPECT_FALSE(*target) << name;
  }
}

TEST_F(ViewOfTheHub, WhatIsNotCachedIsAQuestion) {
  start();
  const auto bare = need("hub/far/away");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->key, far);
  EXPECT_EQ(bare->resolve, "main");
  EXPECT_FALSE(bare->list);
  EXPECT_EQ(need("hub/far/away@v1%2Fx")->resolve, "v1/x");
  EXPECT_EQ(need("hub/far/away@" + c.text())->resolve, c.text());
  EXPECT_EQ(need("hub/org/Llama-3@v9")->resolve, "v9");
  EXPECT_EQ(need("hub/_/solo")->key, repo_key("model/solo"));
  EXPECT_EQ(need("hub/datasets/far/away")->key, repo_key("dataset/far/away"));
  EXPECT_FALSE(need("hub/org/Llama-3"));
  EXPECT_FALSE(need("hub/org/Llama-3@main"));
  EXPECT_THAT(loop.asked, IsEmpty()) << "the view itself asks nobody";
}

TEST_F(ViewOfTheHub, WithoutAskingWhatIsNotKnownIsNotThere) {
  start();
  EXPECT_FALSE(find("hub/far/away"));
  EXPECT_FALSE(find("hub/far/away@main"));
  EXPECT_FALSE(find("hub/org/Llama-3@v9"));
}

TEST_F(ViewOfTheHub, AnswerOfTheHubMakesAPlace) {
  hub_knows("far/away", "main", c);
  hub_knows("far/away", "v1%2Fx", b);
  start();
  resolve(far, "main");
  resolve(far, "v1/x");
  ASSERT_THAT(loop.asked, SizeIs(2));
  const DirSpec bare = dir("hub/far/away");
  EXPECT_EQ(bare.select, Select::kDefault);
  EXPECT_EQ(view().commit_of(bare), c);
  EXPECT_EQ(view().ref_of(bare), ref_name("main"));
  EXPECT_THAT(view().commits_of(bare), ElementsAre(c));
  EXPECT_EQ(dir("hub/far/away@main").select, Select::kRef);
  EXPECT_EQ(view().commit_of(dir("hub/far/away@v1%2Fx")), b);
  EXPECT_THAT(names("hub"), ElementsAre("org/")) << "what is not cached is not listed";
  EXPECT_FALSE(need("hub/far/away"));
}

TEST_F(ViewOfTheHub, CommitThatTheHubKnowsIsAPlace) {
  hub_knows("far/away", c.text(), c);
  start();
  resolve(far, c.text());
  const DirSpec place = dir("hub/far/away@" + c.text());
  EXPECT_EQ(place.select, Select::kCommit);
  EXPECT_EQ(view().commit_of(place), c);
  EXPECT_EQ(view().ref_of(place), std::nullopt);
}

TEST_F(ViewOfTheHub, RefusalIsRepeatedInsteadOfAsked) {
  loop.answers["/far/away/revision/main"] = {404, ""};
  start();
  resolve(far, "main");
  const Lookup found = look_up("hub/far/away", true);
  const auto* refused = std::get_if<Error>(&found);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->kind, ErrorKind::kNotFound);
  EXPECT_TRUE(need("hub/far/away@v1")) << "only this question was refused";
  EXPECT_FALSE(find("hub/far/away")) << "without asking it is just not there";
}

TEST_F(ViewOfTheHub, OutageAnswersEveryQuestion) {
  start();
  resolve(far, "main");
  ASSERT_THAT(loop.asked, SizeIs(1));
  const Lookup found = look_up("hub/else/where@v1", true);
  ASSERT_TRUE(std::holds_alternative<Error>(found));
  EXPECT_EQ(std::get<Error>(found).kind, ErrorKind::kUnreachable);
  EXPECT_TRUE(find("hub/org/Llama-3"));
}

TEST_F(ViewOfTheHub, CacheAnswersBeforeTheHub) {
  hub_knows("org/Llama-3", "main", c);
  start();
  resolve(key, "main");
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3")), a);
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3@main")), a);
}

TEST_F(ViewOfTheHub, RefToAMissingSnapshotResolvesAndIsNotListed) {
  cache.set_ref(key, "gone", c);
  start();
  EXPECT_THAT(names("hub/org"), ElementsAre("Llama-3@bbbbbbbbbbbb/", "Llama-3@main/"));
  EXPECT_EQ(view().commit_of(dir("hub/org/Llama-3@gone")), c);
  EXPECT_FALSE(find("hub/org/Llama-3@" + c.text()));
}

TEST_F(ViewOfTheHub, EmptiedOrgStaysUntilItsRmdir) {
  start();
  view().let_linger("hub/org");
  cache.remove(layout::repo_folder(key));
  library().refresh(key);
  EXPECT_THAT(names("hub"), ElementsAre("org/"));
  view().end_linger("hub/org");
  EXPECT_THAT(names("hub"), IsEmpty());
}

}  // namespace
}  // namespace hubfs
