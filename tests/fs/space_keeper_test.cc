// SPDX-License-Identifier: Apache-2.0
#include "fs/space_keeper.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "core/cache/flock_file.h"
#include "core/cache/state_paths.h"
#include "tests/core/catalog/library_fixture.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kModel = 100 * 1024;  // of one cached model

class SpaceKeeperTest : public test::LibraryFixture {
 protected:
  // Cached in this order, long ago.
  void cached(const std::vector<std::string>& names) {
    std::time_t seconds = 1'600'000'000;
    for (const std::string& name : names) {
      const std::string key = "model/org/" + name;
      cache.add_file(test::repo_key(key), test::commit_of('a'), "w.bin", std::string(kModel - 1, name.front()));
      seen_at(cache, key, test::commit_of('a'), ++seconds);
    }
    start();
    uses = std::make_unique<UseLog>(roots.front());
  }
  void keep(SpaceLimits limits) {
    keeper = std::make_unique<SpaceKeeper>(library(), memory(), *uses, limits, [this](const RepoKey& key) -> Status {
      tried.push_back(key.text());
      if (key.text() == refuses) return fail(ErrorKind::kBusy, "somebody is at work in it");
      std::filesystem::remove_all(cache.path() + "/" + layout::repo_folder(key));
      library().refresh(key);
      return {};
    });
  }
  static FetchFilePtr file(const std::string& name, std::uint64_t size) {
    FetchTarget target{.key = test::repo_key("model/org/" + name),
                       .commit = test::commit_of('b'),
                       .path = test::rel_path("new.bin"),
                       .etag = test::blob_id(test::git_sha1_of(name)),
                       .size = size,
                       .xet_hash = {},
                       .ref = {},
                       .listing = {}};
    return std::make_shared<FetchFile>(std::move(target));
  }
  Status ask(const FetchFilePtr& file, std::uint64_t upto) {
    std::promise<Status> answer;
    keeper->make_room(file, upto, [&](Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }

  std::unique_ptr<UseLog> uses;
  std::vector<std::string> tried;
  std::string refuses;
  std::unique_ptr<SpaceKeeper> keeper;
};

TEST_F(SpaceKeeperTest, WhatFitsIsGrantedAndNothingGoes) {
  cached({"a", "b"});
  keep({4 * kModel, 0});
  EXPECT_TRUE(ask(file("new", kModel), kModel));
  EXPECT_THAT(tried, IsEmpty());
}

TEST_F(SpaceKeeperTest, TheLeastRecentlyUsedGoesAndIsReported) {
  cached({"a", "b", "c"});
  uses->note(test::repo_key("model/org/a"));
  keep({3 * kModel + kModel / 2, 0});
  EXPECT_TRUE(ask(file("new", kModel), kModel));
  EXPECT_THAT(tried, ElementsAre("model/org/b"));
  const SpaceKeeper::Report report = keeper->report();
  EXPECT_EQ(report.evicted, 1U);
  EXPECT_GE(report.evicted_bytes, kModel);
  EXPECT_THAT(report.last, HasSubstr("removed model/org/b"));
}

TEST_F(SpaceKeeperTest, WhatIsPromisedIsNotGivenAwayTwice) {
  cached({"a"});
  keep({3 * kModel + kModel / 2, 0});
  const FetchFilePtr first = file("first", 2 * kModel);
  EXPECT_TRUE(ask(first, 2 * kModel));
  EXPECT_TRUE(ask(first, 2 * kModel)) << "asking again is not asking twice";
  EXPECT_THAT(tried, IsEmpty());
  const FetchFilePtr second = file("second", kModel);
  EXPECT_TRUE(ask(second, kModel));
  EXPECT_THAT(tried, ElementsAre("model/org/a"));
  const Status third = ask(file("third", kModel), kModel);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::kNoSpace);
  EXPECT_THAT(third.error().message, HasSubstr("promised to other downloads"));
}

TEST_F(SpaceKeeperTest, ADownloadThatEndedGivesItsPromiseBack) {
  cached({});
  keep({3 * kModel, 0});
  const FetchFilePtr failed = file("failed", 2 * kModel);
  EXPECT_TRUE(ask(failed, 2 * kModel));
  EXPECT_TRUE(ask(file("gone", 2 * kModel), kModel)) << "and nobody holds this one any more";
  EXPECT_FALSE(ask(file("next", 2 * kModel), 2 * kModel));
  failed->set_failed({ErrorKind::kUnreachable, "no network", 0});
  EXPECT_TRUE(ask(file("next", 2 * kModel), 2 * kModel));
}

TEST_F(SpaceKeeperTest, PinnedModelsAndThatOfTheDownloadStayAndAreNamed) {
  cached({"pinned", "own"});
  ASSERT_TRUE(memory().change([](RememberedRepos& all) { all["model/org/pinned"].pinned = true; }));
  keep({2 * kModel + kModel / 2, 0});
  const Status room = ask(file("own", kModel), kModel);
  ASSERT_FALSE(room);
  EXPECT_THAT(room.error().message, HasSubstr("model/org/pinned (it is pinned)"));
  EXPECT_THAT(room.error().message, HasSubstr("model/org/own"));
  EXPECT_THAT(tried, IsEmpty());
}

TEST_F(SpaceKeeperTest, AnOpenModelStays) {
  cached({"open", "b"});
  const BlobId etag = test::blob_id(test::git_sha1_of(std::string(kModel - 1, 'o')));
  const UniqueFd held(::open((cache.path() + "/" + layout::blob(test::repo_key("model/org/open"), etag)).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held);
  keep({2 * kModel + kModel / 2, 0});
  EXPECT_TRUE(ask(file("new", kModel), kModel));
  EXPECT_THAT(tried, ElementsAre("model/org/b"));
}

TEST_F(SpaceKeeperTest, AModelWhoseRemovalIsRefusedIsPassedOver) {
  cached({"a", "b"});
  refuses = "model/org/a";
  keep({2 * kModel + kModel / 2, 0});
  const FetchFilePtr first = file("new", kModel);
  EXPECT_TRUE(ask(first, kModel));
  EXPECT_THAT(tried, ElementsAre("model/org/a", "model/org/b"));
  const Status room = ask(file("more", kModel), kModel);
  ASSERT_FALSE(room);
  EXPECT_THAT(room.error().message, HasSubstr("somebody is at work in it"));
}

TEST_F(SpaceKeeperTest, FreeSpaceOfTheVolumeIsKeptWithoutAQuota) {
  cached({"a"});
  keep({0, 1});
  EXPECT_TRUE(ask(file("new", kModel), kModel));
  EXPECT_THAT(tried, IsEmpty());
  keep({0, std::uint64_t{1} << 60U});
  const Status room = ask(file("new", kModel), kModel);
  ASSERT_FALSE(room);
  EXPECT_THAT(room.error().message, HasSubstr("to be kept free"));
  EXPECT_THAT(tried, IsEmpty()) << "nothing goes where it would not be enough";
}

TEST_F(SpaceKeeperTest, WhatWaitsWhenTheMountEndsIsAnswered) {
  cached({"a"});
  // Another mount is making room.
  auto turn = try_flock_file(roots.front()->state_fd(), state::kRoomLock, 0660);
  ASSERT_TRUE(turn && *turn);
  keep({4 * kModel, 0});
  std::promise<Status> answer;
  keeper->make_room(file("new", kModel), kModel, [&](Status status) { answer.set_value(std::move(status)); });
  keeper.reset();
  const Status room = answer.get_future().get();
  ASSERT_FALSE(room);
  EXPECT_EQ(room.error().kind, ErrorKind::kUnreachable);
}

}  // namespace
}  // namespace hubfs
