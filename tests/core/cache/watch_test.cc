// SPDX-License-Identifier: Apache-2.0
#include "core/cache/watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/inotify.h>

#include <filesystem>
#include <fstream>

#include "core/cache/layout.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::repo_key;
using test::TempCache;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class Watch : public testing::Test {
 protected:
  void SetUp() override {
    auto made = CacheWatch::create();
    ASSERT_TRUE(made) << made.error().message;
    watch = std::move(*made);
    if (unwatchable(cache.root().fd())) GTEST_SKIP() << "$TMPDIR cannot be watched";
  }
  // Tag and name of every event.
  std::vector<std::pair<std::uint64_t, std::string>> drain() {
    std::vector<std::pair<std::uint64_t, std::string>> events;
    watch->drain([&](const WatchEvent& event) { events.emplace_back(event.tag, std::string(event.name)); });
    return events;
  }
  void add(const std::string& path, std::uint64_t tag) {
    const Status added = watch->add_dir(cache.root().fd(), path, tag);
    ASSERT_TRUE(added) << added.error().message;
  }
  TempCache cache;
  std::unique_ptr<CacheWatch> watch;
};

TEST_F(Watch, TellsNamesThatComeAndGo) {
  cache.make_dir("d");
  add("d", 7);
  EXPECT_THAT(drain(), IsEmpty());
  cache.link("d/link", "x");
  pollfd poll{watch->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 1000), 1);
  EXPECT_THAT(drain(), ElementsAre(Pair(7, "link")));
  cache.write("d/file", "x");
  EXPECT_THAT(drain(), Contains(Pair(7, "file")));
  cache.remove("d/link");
  EXPECT_THAT(drain(), ElementsAre(Pair(7, "link")));
}

TEST_F(Watch, RootItself) {
  add(".", 1);
  cache.make_dir("models--new");
  EXPECT_THAT(drain(), ElementsAre(Pair(1, "models--new")));
}

TEST_F(Watch, DownloadsInProgressDoNotWake) {
  cache.make_dir("d");
  add("d", 7);
  const std::string dir = cache.path() + "/d/";
  cache.write("d/abc.01234567.incomplete", "x");
  cache.write("d/tmp_01234567-89ab-cdef-0123-456789abcdef", "");
  cache.write("d/main.01234567.tmp", "x");
  cache.link("d/.abc.01234567.shared", "x");
  EXPECT_THAT(drain(), IsEmpty());
  std::filesystem::rename(dir + "abc.01234567.incomplete", dir + "abc");
  EXPECT_THAT(drain(), ElementsAre(Pair(7, "abc")));
}

TEST_F(Watch, FoldersOwnEndIsTold) {
  cache.make_dir("d");
  add("d", 7);
  cache.remove("d");
  EXPECT_THAT(drain(), Contains(Pair(7, "")));
  EXPECT_EQ(watch->size(), 0U);
  cache.make_dir("e");
  add("e", 8);
  std::filesystem::rename(cache.path() + "/e", cache.path() + "/f");
  EXPECT_THAT(drain(), Contains(Pair(8, "")));
}

TEST_F(Watch, OneFolderWithTwoTags) {
  cache.make_dir("d");
  add("d", 1);
  add("d", 2);
  add("d", 2);
  EXPECT_EQ(watch->size(), 1U);
  cache.make_dir("d/x");
  EXPECT_THAT(drain(), UnorderedElementsAre(Pair(1, "x"), Pair(2, "x")));
  watch->remove_tag(1);
  cache.make_dir("d/y");
  EXPECT_THAT(drain(), ElementsAre(Pair(2, "y")));
}

TEST_F(Watch, RemovedTagsAreSilent) {
  cache.make_dir("d");
  cache.make_dir("e");
  add("d", 1);
  add("e", 1);
  add("e", 2);
  cache.make_dir("d/before");
  watch->remove_tag(1);
  watch->remove_tag(99);
  cache.make_dir("d/after");
  EXPECT_THAT(drain(), IsEmpty());
  EXPECT_EQ(watch->size(), 1U);
  // Watched anew, events come again.
  add("d", 3);
  cache.make_dir("d/again");
  EXPECT_THAT(drain(), ElementsAre(Pair(3, "again")));
}

TEST_F(Watch, CallbackMayChangeTheWatches) {
  cache.make_dir("d");
  add("d", 1);
  cache.make_dir("d/sub");
  cache.make_dir("d/other");
  int calls = 0;
  watch->drain([&](const WatchEvent&) {
    ++calls;
    EXPECT_TRUE(watch->add_dir(cache.root().fd(), "d/sub", 2));
    watch->remove_tag(1);
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(watch->size(), 1U);
}

TEST_F(Watch, OnlyRealFolders) {
  cache.make_dir("d");
  cache.link("link", "d");
  cache.link("loop/link", "../d");
  cache.write("file", "x");
  for (const char* path : {"link", "loop/link/x", "file", "none", "../hub/d"}) {
    EXPECT_FALSE(watch->add_dir(cache.root().fd(), path, 1)) << path;
  }
  EXPECT_EQ(watch->add_dir(cache.root().fd(), "none", 1).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(watch->size(), 0U);
}

TEST_F(Watch, OverflowIsTold) {
  std::ifstream limit_file("/proc/sys/fs/inotify/max_queued_events");
  int limit = 0;
  limit_file >> limit;
  if (limit <= 0 || limit > 100'000) GTEST_SKIP() << "the queue is too long to fill";
  cache.make_dir("d");
  add("d", 1);
  const std::string a = cache.path() + "/d/a";
  std::filesystem::create_directory(a);
  for (int i = 0; i < limit; ++i) {
    std::filesystem::rename(a, a + "b");
    std::filesystem::rename(a + "b", a);
  }
  bool overflow = false;
  for (int round = 0; round < 100 && !overflow; ++round) {
    watch->drain([&](const WatchEvent& event) { overflow = overflow || event.overflow; });
  }
  EXPECT_TRUE(overflow);
}

TEST_F(Watch, LimitIsSaid) {
  cache.make_dir("d");
  cache.make_dir("e");
  const int root = cache.root().fd();
  const auto limited = [] {
    // The limit is the namespace's own: what it is set to there concerns nobody else.
    if (::unshare(CLONE_NEWUSER) != 0) return false;
    std::ofstream file("/proc/sys/user/max_inotify_watches");
    file << "1" << std::flush;
    return file.good();
  };
  if (!test::in_child(limited)) GTEST_SKIP() << "needs a user namespace of its own";
  EXPECT_TRUE(test::in_child([&] {
    if (!limited()) return false;
    const auto mine = CacheWatch::create();
    if (!mine || !(*mine)->add_dir(root, "d", 1)) return false;
    const Status second = (*mine)->add_dir(root, "e", 2);
    return !second && second.error().kind == ErrorKind::kUnsupported && (*mine)->size() == 1 &&
           second.error().message.find("max_user_watches") != std::string::npos;
  }));
}

TEST_F(Watch, NamesTheFoldersOfARepo) {
  const RepoKey key = repo_key("model/org/name");
  EXPECT_EQ(watch_dirs(cache.root(), key, {}).error().kind, ErrorKind::kNotFound);
  cache.add_file(key, commit_of('a'), "x/y/z", "1");
  cache.add_file(key, commit_of('b'), "f", "2");
  cache.set_ref(key, "refs/pr/1", commit_of('a'));
  cache.write(layout::listing(key, commit_of('a')), "{}");
  cache.make_dir("elsewhere");
  cache.link(layout::snapshot(key, commit_of('a')) + "/linked", "../../../elsewhere");
  const auto dirs = watch_dirs(cache.root(), key, {commit_of('a'), commit_of('c')});
  ASSERT_TRUE(dirs);
  std::vector<std::string> paths;
  for (const WatchDir& dir : *dirs) {
    paths.push_back(dir.path);
    add(dir.path, 1);
    EXPECT_EQ(dir.kind == WatchKind::kSnapshot, dir.commit.has_value());
  }
  const std::string repo = "models--org--name";
  const std::string snapshot = repo + "/snapshots/" + std::string(40, 'a');
  EXPECT_THAT(paths, ElementsAre(repo, repo + "/refs", repo + "/refs/refs", repo + "/refs/refs/pr", repo + "/snapshots",
                                 repo + "/blobs", repo + "/trees", snapshot, snapshot + "/x", snapshot + "/x/y"));
}

TEST(Watchable, KnowsFileSystemsWithoutEvents) {
  // Of the kernel's own file systems none is in the list.
  const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_FALSE(unwatchable(proc.get()));
}

}  // namespace
}  // namespace hubfs
