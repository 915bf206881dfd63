// SPDX-License-Identifier: Apache-2.0
#include "core/cache/dir_walk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::TempCache;

TEST(DirWalk, NoLinkOnTheWayIsFollowed) {
  TempCache cache;
  cache.write("real/file", "x");
  cache.link("alias", "real");
  cache.link("real/link", "file");
  const int fd = cache.root().fd();
  EXPECT_TRUE(open_plain(fd, "real/file", O_RDONLY));
  EXPECT_EQ(open_plain(fd, "alias/file", O_RDONLY).error().sys_errno, ELOOP);
  EXPECT_EQ(open_plain(fd, "real/link", O_RDONLY).error().sys_errno, ELOOP);
  EXPECT_FALSE(open_plain(fd, "../hub/real/file", O_RDONLY));
  EXPECT_TRUE(lstat_at(fd, "real/link"));
  EXPECT_FALSE(lstat_at(fd, "alias/file"));
  EXPECT_EQ(errno, ELOOP);
  EXPECT_EQ(read_link_plain(fd, "real/link").value(), "file");
  EXPECT_FALSE(read_link_plain(fd, "real/file"));
  EXPECT_FALSE(unlink_plain(fd, "alias/file"));
  EXPECT_TRUE(cache.exists("real/file"));
  EXPECT_TRUE(unlink_plain(fd, "real/file"));
}

TEST(DirWalk, ListsNamesByKind) {
  TempCache cache;
  cache.write("d/b", "x");
  cache.link("d/a", "nowhere");
  cache.make_dir("d/c");
  cache.make_fifo("d/e");
  const auto names = read_dir_at(cache.root().fd(), "d");
  ASSERT_TRUE(names);
  ASSERT_EQ(names->size(), 4U);
  EXPECT_EQ((*names)[0].name, "a");
  EXPECT_EQ((*names)[0].kind, NameKind::kLink);
  EXPECT_EQ((*names)[1].kind, NameKind::kFile);
  EXPECT_EQ((*names)[2].kind, NameKind::kFolder);
  EXPECT_EQ((*names)[3].kind, NameKind::kOther);
  EXPECT_TRUE(read_dir_at(cache.root().fd(), "none")->empty());
  EXPECT_FALSE(read_dir_at(cache.root().fd(), "d/b"));
}

TEST(DirWalk, RemovesTreesAndNothingBehindLinks) {
  TempCache cache;
  cache.write("victim/file", "x");
  cache.write("t/a/b/file", "x");
  cache.link("t/a/out", "../../victim");
  cache.link("t/out", cache.path() + "/victim");
  cache.chmod("t/a/b", 0500);
  EXPECT_TRUE(remove_tree(cache.root().fd(), "t"));
  EXPECT_FALSE(cache.exists("t"));
  EXPECT_TRUE(cache.exists("victim/file"));
  EXPECT_TRUE(remove_tree(cache.root().fd(), "t"));
  cache.link("single", "victim");
  EXPECT_TRUE(remove_tree(cache.root().fd(), "single"));
  EXPECT_FALSE(cache.exists("single"));
  EXPECT_TRUE(cache.exists("victim/file"));
}

TEST(DirWalk, RemovesWhatIsDeeperThanDescriptorsAllow) {
  TempCache cache;
  cache.make_dir("deep");
  UniqueFd at(::openat(cache.root().fd(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 1500; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    UniqueFd next(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(next);
    at = std::move(next);
  }
  const auto removed = remove_tree(cache.root().fd(), "deep");
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(cache.exists("deep"));
}

TEST(DirWalk, SplitsPaths) {
  EXPECT_EQ(parent_of("a/b/c"), "a/b");
  EXPECT_EQ(base_of("a/b/c"), "c");
  EXPECT_EQ(parent_of("a"), ".");
  EXPECT_EQ(base_of("a"), "a");
}

}  // namespace
}  // namespace hubfs
