// SPDX-License-Identifier: Apache-2.0
//
// The folders above the revisions: which names there are, and what they stand for. Of hub/ in view_hub_test.cc.
#include "fs/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/cache/layout.h"
#include "tests/fs/view_fixture.h"

namespace hubfs {
namespace {

using test::repo_key;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = DirSpec::Kind;
using Select = DirSpec::Select;

class ViewOfACache : public test::ViewFixture {
 protected:
  void SetUp() override {
    cache.add_file(key, a, "config.json", R"({"model_type": "llama"})");
    cache.add_file(key, b, "config.json", R"({"model_type": "llama"})");
    cache.set_ref(key, "main", a);
    cache.set_ref(key, "refs/pr/1", b);
  }
  void add_dataset() { cache.add_file(data, a, "train.csv", "1,2"); }
  const RepoKey data = repo_key("dataset/org/numbers");
};

TEST_F(ViewOfACache, RootListsModelsAndHubAndWhatElseIsCached) {
  start();
  EXPECT_THAT(names(""), ElementsAre("models/", "hub/"));
  EXPECT_FALSE(find("datasets"));
  EXPECT_FALSE(find("spaces"));
  add_dataset();
  cache.add_file(repo_key("kernel/org/k"), a, "k", "k");
  start();
  EXPECT_THAT(names(""), ElementsAre("models/", "datasets/", "kernels/", "hub/"));
  EXPECT_EQ(dir("datasets").kind, Kind::kShelf);
  EXPECT_EQ(dir("datasets").type, RepoType::kDataset);
  EXPECT_EQ(dir("hub").kind, Kind::kHub);
  EXPECT_FALSE(find("spaces"));
  EXPECT_FALSE(find("model"));
}

TEST_F(ViewOfACache, EmptyCacheHasModelsAndHubToo) {
  cache.remove(layout::repo_folder(key));
  start();
  EXPECT_THAT(names(""), ElementsAre("models/", "hub/"));
  EXPECT_THAT(names("models"), IsEmpty());
  EXPECT_THAT(names("hub"), IsEmpty());
}

TEST_F(ViewOfACache, ModelsAreListedByFamilyAndName) {
  cache.add_file(repo_key("model/x/strange"), a, "f", "x");
  cache.add_file(repo_key("model/a/Llama-3"), a, "f", "x");
  start();
  EXPECT_THAT(names("models"), ElementsAre("llama/", "other/"));
  EXPECT_THAT(names("models/llama"), ElementsAre("Llama-3/", "Llama-3~org/"));
  EXPECT_EQ(dir("models/llama/Llama-3~org").key, key);
  EXPECT_EQ(dir("models/llama/Llama-3~org").select, Select::kDefault);
  EXPECT_EQ(dir("models/other/strange").key, repo_key("model/x/strange"));
  EXPECT_FALSE(find("models/gemma"));
  EXPECT_FALSE(find("models/llama/strange"));
}

TEST_F(ViewOfACache, OtherTypesAreListedByName) {
  add_dataset();
  start();
  EXPECT_THAT(names("datasets"), ElementsAre("numbers/"));
  EXPECT_EQ(dir("datasets/numbers").key, data);
  EXPECT_THAT(names("datasets/numbers"), ElementsAre("train.csv"));
  EXPECT_FALSE(find("datasets/none"));
}

TEST_F(ViewOfACache, AliasesResolveAndAreNotListed) {
  add_dataset();
  cache.add_file(repo_key("model/solo"), a, "f", "x");
  start();
  EXPECT_EQ(dir("models/org--Llama-3"), dir("models/llama/Llama-3"));
  EXPECT_EQ(dir("datasets/org--numbers"), dir("datasets/numbers"));
  EXPECT_EQ(dir("models/_--solo").key, repo_key("model/solo"));
  EXPECT_FALSE(find("models/other--Llama-3"));
  EXPECT_FALSE(find("models/org--numbers"));
  EXPECT_FALSE(find("models/--Llama-3"));
  EXPECT_FALSE(find("models/org--"));
  EXPECT_THAT(names("models"), ElementsAre("llama/", "other/"));
}

TEST_F(ViewOfACache, RevisionsOfAPlaceResolve) {
  start();
  for (const std::string base : {"models/llama/Llama-3", "models/org--Llama-3"}) {
    const DirSpec main = dir(base + "@main");
    EXPECT_EQ(main.select, Select::kRef);
    EXPECT_EQ(main.revision, "main");
    const DirSpec pull = dir(base + "@refs%2Fpr%2F1");
    EXPECT_EQ(pull.select, Select::kRef);
    EXPECT_EQ(pull.revision, "refs/pr/1");
    EXPECT_EQ(view().commit_of(pull), b);
    for (const std::string& revision : {b.text(), b.short_text()}) {
      const DirSpec commit = dir(base + "@" + revision);
      EXPECT_EQ(commit.select, Select::kCommit);
      EXPECT_EQ(commit.revision, b.text());
    }
    for (const std::string& revision : {std::string("none"), std::string(), std::string("refs"), std::string(40, 'f'),
                                        std::string("bbbb"), std::string("a@b")}) {
      EXPECT_FALSE(find(base + "@" + revision)) << revision;
    }
  }
}

// The shelves never ask the Hub: what is not cached has no name there.
TEST_F(ViewOfACache, ShelvesNeverAsk) {
  add_dataset();
  start();
  for (const char* path : {"models/none", "models/llama/none", "models/org--none", "models/llama/Llama-3@none",
                           "models/org--Llama-3@none", "datasets/none", "datasets/org--none", "none"}) {
    const Lookup found = look_up(path, true);
    const auto* target = std::get_if<std::optional<Target>>(&found);
    ASSERT_NE(target, nullptr) << path;
    EXPECT_FALSE(*target) << path;
  }
  EXPECT_THAT(loop.asked, IsEmpty());
}

TEST_F(ViewOfACache, ControlFolderIsThereAndNotListed) {
  start();
  EXPECT_EQ(dir(".hubfs").kind, Kind::kControl);
  EXPECT_THAT(names(".hubfs"), ElementsAre("status.json"));
  const auto status = find(".hubfs/status.json");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->control, "status.json");
  EXPECT_EQ(status->attr.mode, S_IFREG | 0444U);
  EXPECT_EQ(status->attr.nlink, 1U);
  EXPECT_FALSE(find(".hubfs/other"));
  EXPECT_FALSE(find("models/.hubfs"));
}

TEST_F(ViewOfACache, SubtreeIsTheRoot) {
  ViewOptions options;
  for (const auto& [subtree, kind] : std::vector<std::pair<std::string, Kind>>{
           {"", Kind::kRoot},
           {"models", Kind::kShelf},
           {"models/llama", Kind::kFamily},
           {"models//llama", Kind::kFamily},
           {"models/llama/Llama-3", Kind::kRevision},
           {"hub", Kind::kHub},
           {"hub/org", Kind::kHubOrg},
           {"hub/org/Llama-3@main", Kind::kRevision},
       }) {
    options.subtree = subtree;
    start(options);
    EXPECT_EQ(dir("").kind, kind) << subtree;
  }
}

TEST_F(ViewOfACache, SubtreeThatIsNoFolderIsRefusedWithTheName) {
  ViewOptions options;
  for (const std::string subtree : {"none", "models/gemma", "models/llama/Llama-3/config.json", "hub/org/none"}) {
    options.subtree = subtree;
    start(options);
    const auto root = view().root();
    ASSERT_FALSE(root) << subtree;
    EXPECT_EQ(root.error().kind, ErrorKind::kNotFound);
    EXPECT_THAT(root.error().message, HasSubstr("subtree=" + subtree));
    EXPECT_THAT(root.error().message, HasSubstr("'" + subtree.substr(subtree.rfind('/') + 1) + "'"));
  }
}

TEST_F(ViewOfACache, SubtreeHasItsControlFolder) {
  ViewOptions options;
  options.subtree = "models/llama";
  start(options);
  const auto in = [&](const std::string& path, const std::string& name) {
    Lookup found = view().look_up(*view().root(), path, name, false);
    return std::get<std::optional<Target>>(found);
  };
  ASSERT_TRUE(in("models/llama", ".hubfs"));
  EXPECT_EQ(in("models/llama", ".hubfs")->dir->kind, Kind::kControl);
  EXPECT_FALSE(in("elsewhere", ".hubfs"));
}

TEST_F(ViewOfACache, EmptiedFolderStaysUntilItsRmdir) {
  add_dataset();
  start();
  view().let_linger("models/llama");
  view().let_linger("datasets");
  cache.remove(layout::repo_folder(key));
  cache.remove(layout::repo_folder(data));
  library().refresh_list();
  EXPECT_THAT(names("models"), ElementsAre("llama/"));
  EXPECT_THAT(names("models/llama"), IsEmpty());
  EXPECT_THAT(names(""), ElementsAre("models/", "hub/", "datasets/"));
  EXPECT_THAT(names("datasets"), IsEmpty());
  view().end_linger("models/llama");
  view().end_linger("datasets");
  EXPECT_FALSE(find("models/llama"));
  EXPECT_THAT(names("models"), IsEmpty());
  EXPECT_THAT(names(""), ElementsAre("models/", "hub/"));
}

TEST_F(ViewOfACache, LingeringFolderThatIsFullAgainIsListedOnce) {
  start();
  view().let_linger("models/llama");
  EXPECT_THAT(names("models"), ElementsAre("llama/"));
}

TEST_F(ViewOfACache, DirectoriesHaveANumberOfTheirPathAndTheRootsAttributes) {
  cache.chmod("", 01755);
  cache.chmod(layout::repo_folder(key), 0750);
  start();
  const Attr root = view().dir_attr(dir(""), "");
  EXPECT_EQ(root.ino, kRootNode);
  const Attr models = find("models")->attr;
  EXPECT_EQ(models.mode, S_IFDIR | 01755U);
  EXPECT_EQ(models.nlink, 2U);
  EXPECT_EQ(models.size, 0U);
  EXPECT_EQ(models.ino, find("models")->attr.ino);
  EXPECT_NE(models.ino, find("hub")->attr.ino);
  const Attr place = find("models/llama/Llama-3")->attr;
  EXPECT_EQ(place.mode, S_IFDIR | 0750U);
  EXPECT_EQ(place.mtime_ns, library().find(key)->first_seen_ns.at(a));
  EXPECT_NE(place.ino, find("models/org--Llama-3")->attr.ino);
}

TEST_F(ViewOfACache, ListedAttributesAreThoseOfTheLookUp) {
  add_dataset();
  start();
  for (const std::string path :
       {"", "models", "models/llama", "models/llama/Llama-3", "hub", "hub/org", "datasets", ".hubfs"}) {
    const ReadDir listed = view().list(dir(path), path, false);
    for (const Listed& child : std::get<std::vector<Listed>>(listed)) {
      const auto found = find(path.empty() ? child.name : path + "/" + child.name);
      ASSERT_TRUE(found) << path << "/" << child.name;
      EXPECT_EQ(found->attr.ino, child.target.attr.ino) << path << "/" << child.name;
      EXPECT_EQ(found->attr.mode, child.target.attr.mode) << path << "/" << child.name;
      EXPECT_EQ(found->dir, child.target.dir) << path << "/" << child.name;
    }
  }
}

TEST_F(ViewOfACache, MountOptionsDecideWhoIsShown) {
  ViewOptions options;
  options.permissions.uid = 7;
  options.permissions.umask = 077;
  start(options);
  EXPECT_EQ(find("models")->attr.uid, 7U);
  EXPECT_EQ(find("models/llama/Llama-3")->attr.uid, 7U);
  EXPECT_EQ(find("models/llama/Llama-3/config.json")->attr.uid, 7U);
  EXPECT_EQ(find("models/llama/Llama-3/config.json")->attr.mode & 0077U, 0U);
}

TEST(InodeNumbers, AreNeverThoseThatAreTaken) {
  EXPECT_EQ(ino_of("x"), ino_of("x"));
  EXPECT_NE(ino_of("x"), ino_of("y"));
  EXPECT_GE(ino_of(""), 16U);
}

}  // namespace
}  // namespace hubfs
