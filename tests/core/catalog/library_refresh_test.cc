// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cache/private_state.h"
#include "tests/core/catalog/library_fixture.h"

namespace hubfs {
namespace {

using test::repo_key;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr const char* kName = "model/org/Llama-3";

class LibraryRefresh : public test::LibraryFixture {
 protected:
  bool refresh(std::string_view text = kName) { return library().refresh(repo_key(text)); }
};

TEST_F(LibraryRefresh, SaysWhetherSomethingChanged) {
  start();
  EXPECT_FALSE(refresh());
  model(cache, kName, a);
  EXPECT_TRUE(refresh());
  EXPECT_FALSE(refresh());
  model(cache, kName, b);
  EXPECT_TRUE(refresh());
  cache.set_ref(repo_key(kName), "v1", a);
  EXPECT_TRUE(refresh());
  cache.chmod(layout::repo_folder(repo_key(kName)), 0700);
  EXPECT_TRUE(refresh());
  add_partial(cache, kName, a);
  EXPECT_TRUE(refresh());
  EXPECT_FALSE(refresh());
  cache.remove(layout::repo_folder(repo_key(kName)));
  remove_private_state(*roots.front(), repo_key(kName));
  EXPECT_TRUE(refresh());
  EXPECT_FALSE(refresh());
  EXPECT_EQ(find(kName), nullptr);
}

TEST_F(LibraryRefresh, EntryThatSomebodyHoldsDoesNotChange) {
  model(cache, kName, a);
  start();
  const RepoPtr before = find(kName);
  model(cache, kName, b);
  refresh();
  EXPECT_THAT(before->commits, SizeIs(1));
  EXPECT_THAT(find(kName)->commits, SizeIs(2));
}

TEST_F(LibraryRefresh, PutsNewcomersOnTheShelfAndTakesTheGoneAway) {
  model(cache, kName, a);
  start();
  model(cache, "model/a/Llama-3", a);
  EXPECT_TRUE(refresh("model/a/Llama-3"));
  EXPECT_THAT(shelf_names(RepoType::kModel, "llama"), ElementsAre("Llama-3", "Llama-3~a"));
  EXPECT_EQ(library().find_on_shelf(RepoType::kModel, "llama", "Llama-3")->key, repo_key(kName));
  cache.remove(layout::repo_folder(repo_key(kName)));
  EXPECT_TRUE(refresh());
  EXPECT_THAT(shelf_names(RepoType::kModel, "llama"), ElementsAre("Llama-3~a"));
  cache.remove(layout::repo_folder(repo_key("model/a/Llama-3")));
  EXPECT_TRUE(refresh("model/a/Llama-3"));
  EXPECT_THAT(library().families(), IsEmpty());
}

TEST_F(LibraryRefresh, GoneIsForgottenAndComesBackAsANewcomer) {
  model(cache, kName, a);
  start();
  model(cache, "model/a/Llama-3", a);
  refresh("model/a/Llama-3");
  cache.remove(layout::repo_folder(repo_key("model/a/Llama-3")));
  refresh("model/a/Llama-3");
  EXPECT_EQ(memory().repo(repo_key("model/a/Llama-3")), RememberedRepo{});
  cache.remove(layout::repo_folder(repo_key(kName)));
  refresh();
  model(cache, "model/a/Llama-3", a);
  refresh("model/a/Llama-3");
  EXPECT_EQ(name_of("model/a/Llama-3"), "Llama-3");
}

TEST_F(LibraryRefresh, ListFindsWhoCameAndWhoWent) {
  model(cache, "model/org/stays", a);
  model(cache, "model/org/goes", a);
  start();
  EXPECT_THAT(library().refresh_list(), IsEmpty());
  model(cache, "model/org/comes", a);
  cache.remove(layout::repo_folder(repo_key("model/org/goes")));
  add_partial(cache, kName, b);
  EXPECT_THAT(library().refresh_list(),
              UnorderedElementsAre(repo_key("model/org/comes"), repo_key("model/org/goes"), repo_key(kName)));
  EXPECT_THAT(library().refresh_list(), IsEmpty());
  EXPECT_EQ(find("model/org/goes"), nullptr);
  EXPECT_NE(find("model/org/comes"), nullptr);
  EXPECT_NE(find(kName), nullptr);
}

TEST_F(LibraryRefresh, ListLooksAtEveryRoot) {
  test::TempCache second;
  start({&cache, &second});
  model(second, kName, a);
  EXPECT_THAT(library().refresh_list(), ElementsAre(repo_key(kName)));
  cache.make_dir(layout::repo_folder(repo_key(kName)));
  EXPECT_TRUE(refresh());
  second.remove(layout::repo_folder(repo_key(kName)));
  EXPECT_THAT(library().refresh_list(), ElementsAre(repo_key(kName)));
  EXPECT_THAT(library().refresh_list(), IsEmpty());
}

TEST_F(LibraryRefresh, ListFindsAFolderThatCameToWhatIsPartlyHere) {
  add_partial(cache, kName, b);
  start();
  ASSERT_NE(find(kName), nullptr);
  model(cache, kName, a);
  EXPECT_THAT(library().refresh_list(), ElementsAre(repo_key(kName)));
  EXPECT_EQ(find(kName)->commits.size(), 2U);
  cache.remove(layout::repo_folder(repo_key(kName)));
  EXPECT_THAT(library().refresh_list(), ElementsAre(repo_key(kName)));
  EXPECT_EQ(find(kName)->commits.size(), 1U);
}

TEST_F(LibraryRefresh, CopyThatWentIsAChangeAlsoWhereTheOtherHasEverything) {
  test::TempCache second;
  model(cache, kName, a);
  model(second, kName, a);
  start({&cache, &second});
  second.remove(layout::repo_folder(repo_key(kName)));
  EXPECT_TRUE(refresh());
  EXPECT_THAT(find(kName)->copies, SizeIs(1));
}

TEST_F(LibraryRefresh, ModelIsFiledAgainOnlyWhileNothingWasKnownOfIt) {
  cache.add_file(repo_key("model/a/mine"), a, "w.bin", "x");
  start();
  EXPECT_EQ(find("model/a/mine")->family, "other");
  model(cache, "model/a/mine", a, "gemma");
  EXPECT_TRUE(refresh("model/a/mine"));
  EXPECT_EQ(find("model/a/mine")->family, "gemma");
  EXPECT_THAT(library().families(), ElementsAre("gemma"));
  model(cache, "model/a/mine", b, "llama");
  cache.set_ref(repo_key("model/a/mine"), "main", b);
  EXPECT_TRUE(refresh("model/a/mine"));
  EXPECT_EQ(find("model/a/mine")->default_commit, b);
  EXPECT_EQ(find("model/a/mine")->family, "gemma");
}

TEST_F(LibraryRefresh, NameOfOneShelfIsNotTakenToTheNext) {
  cache.add_file(repo_key("model/a/mine"), a, "w.bin", "x");
  cache.add_file(repo_key("model/b/mine"), a, "w.bin", "x");
  start();
  EXPECT_EQ(name_of("model/b/mine"), "mine~b");
  model(cache, "model/b/mine", a, "gemma");
  refresh("model/b/mine");
  EXPECT_EQ(name_of("model/b/mine"), "mine");
  EXPECT_THAT(shelf_names(RepoType::kModel, "other"), ElementsAre("mine"));
}

TEST_F(LibraryRefresh, PinsAndHiddenFilesOutliveARefresh) {
  model(cache, kName, a);
  start();
  EXPECT_TRUE(memory().change([](RememberedRepos& all) { all[repo_key(kName).text()].pinned = true; }));
  memory().hide(repo_key(kName), a, "f.bin");
  EXPECT_TRUE(memory().flush());
  model(cache, kName, b);
  refresh();
  EXPECT_TRUE(memory().is_pinned(repo_key(kName)));
  EXPECT_TRUE(memory().is_hidden(repo_key(kName), a, "f.bin"));
  start();
  EXPECT_TRUE(memory().is_pinned(repo_key(kName)));
  EXPECT_TRUE(memory().is_hidden(repo_key(kName), a, "f.bin"));
}

TEST_F(LibraryRefresh, HiddenFilesAreForgottenWithTheirCommit) {
  model(cache, kName, a);
  model(cache, kName, b);
  start();
  memory().hide(repo_key(kName), a, "f.bin");
  memory().hide(repo_key(kName), b, "f.bin");
  EXPECT_TRUE(memory().flush());
  cache.remove(layout::snapshot(repo_key(kName), a));
  refresh();
  EXPECT_FALSE(memory().is_hidden(repo_key(kName), a, "f.bin"));
  EXPECT_TRUE(memory().is_hidden(repo_key(kName), b, "f.bin"));
}

// The neighbours on a shelf are named together, but nothing else of a neighbour is touched.
TEST_F(LibraryRefresh, NeighbourOnTheShelfLosesNothing) {
  model(cache, kName, a, "llama");
  model(cache, "model/org/Llama-2", a, "llama");
  seen_at(cache, "model/org/Llama-2", a, 1'000);
  start();
  memory().hide(repo_key("model/org/Llama-2"), a, "f.bin");
  EXPECT_TRUE(memory().flush());
  const RememberedRepo before = memory().repo(repo_key("model/org/Llama-2"));
  EXPECT_FALSE(before.first_seen_ns.empty());
  model(cache, kName, b);
  refresh();
  EXPECT_EQ(memory().repo(repo_key("model/org/Llama-2")), before);
}

TEST_F(LibraryRefresh, NameOfARepoWhoseLastCommitWentIsFree) {
  model(cache, kName, a);
  start();
  cache.remove(layout::snapshot(repo_key(kName), a));
  EXPECT_TRUE(refresh());
  EXPECT_THAT(library().families(), IsEmpty());
  model(cache, "model/z/Llama-3", a);
  refresh("model/z/Llama-3");
  EXPECT_THAT(shelf_names(RepoType::kModel, "llama"), ElementsAre("Llama-3"));
}

}  // namespace
}  // namespace hubfs
