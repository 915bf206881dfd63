// SPDX-License-Identifier: Apache-2.0
#include "core/cache/cache_root.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::TempCache;

TEST(CacheRoot, OpensAndPutsItsStateBeside) {
  TempCache cache;
  const auto root = CacheRoot::open(cache.path(), false);
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)->path(), cache.path());
  ASSERT_TRUE((*root)->has_state());
  EXPECT_EQ((*root)->state_path(), cache.dir() + "/.hubfs/hub");
  // Nothing in the root but what every client skips, and no probe left.
  EXPECT_EQ(cache.names(), std::vector<std::string>{".locks/"});
  EXPECT_TRUE(std::filesystem::is_empty((*root)->state_path()));
  EXPECT_TRUE((*root)->still_there());
}

TEST(CacheRoot, SecondOpeningFindsTheSameState) {
  TempCache cache;
  const auto first = CacheRoot::open(cache.path(), false);
  const auto second = CacheRoot::open(cache.path() + "/", false);
  ASSERT_TRUE(first && second);
  EXPECT_EQ((*first)->state_path(), (*second)->state_path());
  EXPECT_EQ((*second)->path(), cache.path());
}

TEST(CacheRoot, MissingRootSaysHowToMakeIt) {
  TempCache cache;
  const auto root = CacheRoot::open(cache.dir() + "/none/hub", false);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(root.error().message.find("mkdir -p '" + cache.dir() + "/none/hub'"), std::string::npos)
      << root.error().message;
  EXPECT_TRUE(CacheRoot::open(cache.dir() + "/none/hub", true));
}

TEST(CacheRoot, RefusesRelativePathsAndFiles) {
  TempCache cache;
  EXPECT_EQ(CacheRoot::open("hub", true).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(CacheRoot::open("", true).error().kind, ErrorKind::kInvalid);
  cache.write("file", "x");
  EXPECT_FALSE(CacheRoot::open(cache.path() + "/file", false));
}

TEST(CacheRoot, LinkedRootBecomesItsTarget) {
  TempCache cache;
  std::filesystem::create_directory(cache.dir() + "/elsewhere");
  std::filesystem::create_symlink(cache.path(), cache.dir() + "/elsewhere/alias");
  const auto root = CacheRoot::open(cache.dir() + "/elsewhere/alias", false);
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)->path(), cache.path());
  EXPECT_EQ((*root)->state_path(), cache.dir() + "/.hubfs/hub");
}

TEST(CacheRoot, NoticesReplacement) {
  TempCache cache;
  const auto root = CacheRoot::open(cache.path(), false);
  ASSERT_TRUE(root);
  std::filesystem::rename(cache.path(), cache.dir() + "/moved");
  EXPECT_FALSE((*root)->still_there());
  std::filesystem::create_directory(cache.path());
  EXPECT_FALSE((*root)->still_there());
}

TEST(CacheRoot, FollowsItsFolderThroughTheSameDescriptor) {
  using Change = CacheRoot::Change;
  TempCache cache;
  const auto root = CacheRoot::open(cache.path(), false);
  ASSERT_TRUE(root);
  const int number = (*root)->fd();
  EXPECT_EQ((*root)->follow(), Change::kNone);
  std::filesystem::rename(cache.path(), cache.dir() + "/moved");
  EXPECT_EQ((*root)->follow(), Change::kGone);
  EXPECT_EQ((*root)->follow(), Change::kNone);
  // Everything is "not there", and nothing can be made.
  EXPECT_FALSE((*root)->has_state());
  EXPECT_EQ((*root)->no_state().kind, ErrorKind::kNotFound);
  EXPECT_EQ(::mkdirat((*root)->fd(), "new", 0700), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(std::filesystem::exists(cache.dir() + "/moved/new"));
  std::filesystem::create_directory(cache.path());
  EXPECT_EQ((*root)->follow(), Change::kReplaced);
  EXPECT_EQ((*root)->follow(), Change::kNone);
  EXPECT_EQ((*root)->fd(), number);
  EXPECT_TRUE((*root)->still_there());
  EXPECT_TRUE((*root)->has_state());
  EXPECT_EQ(::mkdirat((*root)->fd(), "new", 0700), 0);
  EXPECT_TRUE(std::filesystem::exists(cache.path() + "/new"));
}

TEST(CacheRoot, StateIsSharedAsTheRootIs) {
  TempCache cache;
  cache.chmod("", 0700);
  const auto narrow = CacheRoot::open(cache.path(), false);
  ASSERT_TRUE(narrow);
  struct stat st{};
  ASSERT_EQ(::stat((*narrow)->state_path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0700U);

  TempCache shared;
  shared.chmod("", 03775);
  const auto wide = CacheRoot::open(shared.path(), false);
  ASSERT_TRUE(wide);
  ASSERT_EQ(::stat((*wide)->state_path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 03775U);
}

TEST(CacheRoot, DoesNotTrustAStateFolderThatOthersCanWriteTo) {
  TempCache cache;
  const std::string planted = cache.dir() + "/.hubfs";
  std::filesystem::create_directory(planted);
  ASSERT_EQ(::chmod(planted.c_str(), 0777), 0);
  const auto root = CacheRoot::open(cache.path(), false);
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)->state_path(), cache.path() + "/.locks/.hubfs");
}

TEST(CacheRoot, DoesNotFollowAStateFolderThatIsALink) {
  TempCache cache;
  std::filesystem::create_directory(cache.dir() + "/victim");
  std::filesystem::create_symlink(cache.dir() + "/victim", cache.dir() + "/.hubfs");
  const auto root = CacheRoot::open(cache.path(), false);
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)->state_path(), cache.path() + "/.locks/.hubfs");
  EXPECT_TRUE(std::filesystem::is_empty(cache.dir() + "/victim"));
}

TEST(CacheRoot, ReadOnlyRootHasNoState) {
  TempCache cache;
  cache.chmod("", 0555);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const auto root = CacheRoot::open(cache.path(), false);
    return root && !(*root)->has_state() && (*root)->state_fd() == -1;
  }));
  EXPECT_TRUE(cache.names().empty());
}

TEST(CacheRoot, RootThatIsAMountPointKeepsItsStateInside) {
  TempCache cache;
  const auto own_mounts = [] {
    return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  };
  if (!test::in_child(own_mounts)) GTEST_SKIP() << "needs a mount namespace of its own";
  EXPECT_TRUE(test::in_child([&] {
    if (!own_mounts()) return false;
    if (::mount("tmpfs", cache.path().c_str(), "tmpfs", 0, nullptr) != 0) return false;
    const auto root = CacheRoot::open(cache.path(), false);
    return root && (*root)->state_path() == cache.path() + "/.locks/.hubfs" &&
           !std::filesystem::exists(cache.dir() + "/.hubfs");
  }));
}

}  // namespace
}  // namespace hubfs
