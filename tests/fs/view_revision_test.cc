// SPDX-License-Identifier: Apache-2.0
//
// Inside a revision: files, folders, and when the Hub must be asked for the listing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/cache/layout.h"
#include "fs/view.h"
#include "tests/fs/view_fixture.h"

namespace hubfs {
namespace {

using test::ref_name;
using test::repo_key;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Select = DirSpec::Select;

const std::string kPlace = "models/llama/Llama-3";

class ViewOfARevision : public test::ViewFixture {
 protected:
  void SetUp() override {
    cache.add_file(key, a, "config.json", "{}");
    cache.add_file(key, a, "sub/here", "here");
    cache.set_ref(key, "main", a);
  }
  void list_far() {
    Listing listing;
    list_file(listing, "config.json", "{}");
    list_file(listing, "sub/here", "here");
    list_file(listing, "sub/far.bin", std::string(5'000, 'f'), true);
    list_file(listing, "away/far.bin", "away", true);
    save_listing(key, a, listing);
  }
  bool asks(const std::string& path) {
    Lookup found = look_up(path, true);
    const auto* need = std::get_if<Need>(&found);
    return need != nullptr && need->key == key && need->list == a && need->resolve.empty();
  }
  bool listing_asks(const std::string& path) {
    const ReadDir listed = view().list(dir(path), path, true);
    const auto* need = std::get_if<Need>(&listed);
    return need != nullptr && need->list == a;
  }
};

TEST_F(ViewOfARevision, ShowsFilesAndFolders) {
  list_far();
  start();
  EXPECT_THAT(names(kPlace), ElementsAre("away/", "config.json", "sub/"));
  EXPECT_THAT(names(kPlace + "/sub"), ElementsAre("far.bin", "here"));
  EXPECT_EQ(dir(kPlace + "/sub").path, "sub");
  EXPECT_EQ(dir(kPlace + "/sub").key, key);
  EXPECT_EQ(find(kPlace + "/sub/far.bin")->file->state, FileState::kRemote);
  EXPECT_FALSE(find(kPlace + "/none"));
  EXPECT_FALSE(find(kPlace + "/sub/config.json"));
}

TEST_F(ViewOfARevision, FileHasItsTrueSizeAndTheSameNumberEverywhere) {
  list_far();
  cache.add_file(key, b, "elsewhere.json", "{}");
  start();
  const auto file = find(kPlace + "/config.json");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->attr.size, 2U);
  EXPECT_EQ(file->attr.nlink, 2U);
  EXPECT_EQ(file->attr.mode & S_IFMT, static_cast<mode_t>(S_IFREG));
  EXPECT_EQ(file->attr.blocks, file->file->blocks);
  EXPECT_EQ(file->attr.mtime_ns, file->file->mtime_ns);
  EXPECT_FALSE(file->changing);
  EXPECT_EQ(find("hub/org/Llama-3@main/config.json")->attr.ino, file->attr.ino);
  EXPECT_EQ(find("hub/org/Llama-3@bbbbbbbbbbbb/elsewhere.json")->attr.ino, file->attr.ino);
  const auto far = find(kPlace + "/sub/far.bin");
  EXPECT_EQ(far->attr.size, 5'000U);
  EXPECT_EQ(far->attr.blocks, 1U);
  EXPECT_NE(far->attr.ino, file->attr.ino);
}

TEST_F(ViewOfARevision, RealFileMayChangeWithoutNotice) {
  cache.write(layout::snapshot(key, a) + "/notes.txt", "mine");
  start();
  EXPECT_TRUE(find(kPlace + "/notes.txt")->changing);
}

TEST_F(ViewOfARevision, AsksForTheListingBeforeSayingNo) {
  start();
  EXPECT_TRUE(asks(kPlace + "/none"));
  EXPECT_TRUE(asks(kPlace + "/sub/none"));
  EXPECT_FALSE(asks(kPlace + "/config.json"));
  EXPECT_FALSE(asks(kPlace + "/sub"));
  EXPECT_TRUE(listing_asks(kPlace));
  EXPECT_TRUE(listing_asks(kPlace + "/sub"));
}

TEST_F(ViewOfARevision, DoesNotAskWhereTheListingIsKnown) {
  list_far();
  start();
  EXPECT_FALSE(asks(kPlace + "/none"));
  EXPECT_FALSE(listing_asks(kPlace));
}

TEST_F(ViewOfARevision, DoesNotAskWhenNotAllowed) {
  start();
  EXPECT_FALSE(find(kPlace + "/none"));
  EXPECT_THAT(names(kPlace), ElementsAre("config.json", "sub/"));
}

TEST_F(ViewOfARevision, DoesNotAskOffline) {
  ViewOptions options;
  options.offline = true;
  start(options);
  EXPECT_FALSE(asks(kPlace + "/none"));
  EXPECT_FALSE(listing_asks(kPlace));
}

TEST_F(ViewOfARevision, DoesNotAskWhereOnlyTheCachedIsShown) {
  ViewOptions options;
  options.show_all = false;
  start(options);
  EXPECT_FALSE(asks(kPlace + "/none"));
  EXPECT_FALSE(listing_asks(kPlace));
}

TEST_F(ViewOfARevision, AsksForAnUncachedRepoAlsoWhereOnlyTheCachedIsShown) {
  loop.answers["/far/away/revision/main"] = {200, R"({"sha": ")" + a.text() + "\"}"};
  ViewOptions options;
  options.show_all = false;
  start(options);
  resolve(repo_key("model/far/away"), "main");
  EXPECT_TRUE(listing_asks("hub/far/away"));
}

TEST_F(ViewOfARevision, DoesNotAskAgainAfterARefusal) {
  loop.answers["/tree/" + a.text() + "?recursive=true&expand=false"] = {403, ""};
  start();
  remote().list(key, a, [](const Result<ListingPtr>& answer) { EXPECT_FALSE(answer); });
  EXPECT_FALSE(asks(kPlace + "/none"));
  EXPECT_FALSE(listing_asks(kPlace));
}

TEST_F(ViewOfARevision, ShowCachedListsOnlyWhatIsHere) {
  list_far();
  ViewOptions options;
  options.show_all = false;
  start(options);
  EXPECT_THAT(names(kPlace), ElementsAre("config.json", "sub/"));
  EXPECT_THAT(names(kPlace + "/sub"), ElementsAre("here"));
  EXPECT_TRUE(find(kPlace + "/sub/far.bin")) << "it can be opened by name";
}

TEST_F(ViewOfARevision, PrivateListingShowsAnUncachedRepo) {
  const RepoKey far = repo_key("model/far/away");
  loop.answers["/far/away/revision/main"] = {200, R"({"sha": ")" + c.text() + "\"}"};
  Listing listing;
  list_file(listing, "sub/w.bin", "weights", true);
  save_private_listing(far, c, listing);
  start();
  resolve(far, "main");
  EXPECT_THAT(names("hub/far/away"), ElementsAre("sub/"));
  EXPECT_EQ(find("hub/far/away@main/sub/w.bin")->attr.size, 7U);
}

TEST_F(ViewOfARevision, PlaceThatIsGoneShowsNothing) {
  start();
  const DirSpec place = dir(kPlace);
  const DirSpec commit = dir("hub/org/Llama-3@" + a.text());
  cache.remove(layout::repo_folder(key));
  library().refresh(key);
  trees().drop(key);
  for (const DirSpec& each : {place, commit}) {
    EXPECT_EQ(view().commit_of(each), std::nullopt);
    EXPECT_EQ(view().tree_of(each), nullptr);
    EXPECT_THAT(view().commits_of(each), IsEmpty());
    const ReadDir listed = view().list(each, kPlace, false);
    ASSERT_TRUE(std::holds_alternative<Error>(listed));
    EXPECT_EQ(std::get<Error>(listed).kind, ErrorKind::kNotFound);
    const Lookup found = view().look_up(each, kPlace, "config.json", false);
    EXPECT_FALSE(std::get<std::optional<Target>>(found));
  }
}

TEST_F(ViewOfARevision, DefaultPlaceFollowsMainAndRefPlacesTheirRef) {
  cache.add_file(key, b, "new", "new");
  start();
  const DirSpec by_ref = dir("hub/org/Llama-3@main");
  const DirSpec by_commit = dir("hub/org/Llama-3@" + a.text());
  cache.set_ref(key, "main", b);
  library().refresh(key);
  EXPECT_THAT(names(kPlace), ElementsAre("new"));
  EXPECT_EQ(view().commit_of(by_ref), b);
  EXPECT_EQ(view().commit_of(by_commit), a);
}

TEST_F(ViewOfARevision, RemovalThroughTheDefaultPlaceConcernsAllCommits) {
  cache.add_file(key, b, "f", "x");
  start();
  EXPECT_THAT(view().commits_of(dir(kPlace)), UnorderedElementsAre(a, b));
  EXPECT_THAT(view().commits_of(dir(kPlace + "/sub")), UnorderedElementsAre(a, b));
  EXPECT_THAT(view().commits_of(dir("hub/org/Llama-3@main")), ElementsAre(a));
  EXPECT_THAT(view().commits_of(dir("hub/org/Llama-3@" + b.text())), ElementsAre(b));
  EXPECT_THAT(view().commits_of(dir("models")), IsEmpty());
}

TEST_F(ViewOfARevision, RefToBeWrittenIsThatOfThePlace) {
  cache.add_file(key, b, "f", "x");
  cache.set_ref(key, "v1/x", b);
  const RepoKey detached = repo_key("model/org/detached");
  cache.add_file(detached, c, "f", "x");
  start();
  EXPECT_EQ(view().ref_of(dir(kPlace)), ref_name("main"));
  EXPECT_EQ(view().ref_of(dir("hub/org/Llama-3@v1%2Fx")), ref_name("v1/x"));
  EXPECT_EQ(view().ref_of(dir("hub/org/Llama-3@" + b.text())), std::nullopt);
  EXPECT_EQ(view().ref_of(dir("hub/org/detached")), std::nullopt);
  EXPECT_EQ(view().ref_of(dir("models")), std::nullopt);
}

TEST_F(ViewOfARevision, FolderOfARevisionHasTheTimeOfItsCommit) {
  start();
  const std::int64_t seen = library().find(key)->first_seen_ns.at(a);
  EXPECT_EQ(find(kPlace + "/sub")->attr.mtime_ns, seen);
  EXPECT_EQ(find("hub/org/Llama-3@main")->attr.mtime_ns, seen);
}

}  // namespace
}  // namespace hubfs
