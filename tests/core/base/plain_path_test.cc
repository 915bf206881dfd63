// SPDX-License-Identifier: Apache-2.0
#include "core/base/plain_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "core/base/file_io.h"
#include "tests/core/base/temp_dir.h"

namespace hubfs {
namespace {

using test::TempDir;

TEST(PlainPath, OpenBeneathStaysBeneath) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs_at(dir.fd(), "in/side", 0755));
  ASSERT_TRUE(write_file_atomic(dir.fd(), "in/file", "x", 0600, false));
  ASSERT_EQ(::symlinkat("/etc/passwd", dir.fd(), "out"), 0);
  ASSERT_EQ(::symlinkat("../..", dir.fd(), "in/up"), 0);
  ASSERT_EQ(::symlinkat("in/file", dir.fd(), "good"), 0);
  EXPECT_TRUE(open_beneath(dir.fd(), "in/file", O_RDONLY));
  EXPECT_TRUE(open_beneath(dir.fd(), "good", O_RDONLY));
  for (const char* path : {"out", "/etc/passwd", "../x", "in/up/x"}) {
    const auto fd = open_beneath(dir.fd(), path, O_RDONLY);
    ASSERT_FALSE(fd) << path;
    EXPECT_EQ(fd.error().sys_errno, EXDEV) << path;
  }
}

TEST(PlainPath, RenamesInFoldersAndNotThroughLinks) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs_at(dir.fd(), "a", 0755));
  ASSERT_TRUE(make_dirs_at(dir.fd(), "b", 0755));
  ASSERT_EQ(::symlinkat("b", dir.fd(), "link"), 0);
  ASSERT_TRUE(write_file_atomic(dir.fd(), "a/file", "x", 0600, false));
  EXPECT_FALSE(rename_plain(dir.fd(), "a/file", dir.fd(), "link/file"));
  EXPECT_TRUE(rename_plain(dir.fd(), "a/file", dir.fd(), "b/moved"));
  EXPECT_FALSE(rename_plain(dir.fd(), "link/moved", dir.fd(), "a/file"));
  EXPECT_TRUE(lstat_at(dir.fd(), "b/moved"));
}

// A folder that is swapped for a link to another one, over and over: no write, rename or removal ever lands there.
TEST(PlainPath, NothingPassesThroughAFolderThatIsSwappedForALink) {
  const TempDir dir;
  const TempDir outside;
  ASSERT_TRUE(write_file_atomic(outside.fd(), "kept", "outside", 0600, false));
  ASSERT_TRUE(make_dirs_at(dir.fd(), "folder", 0755));
  ASSERT_EQ(::symlinkat(outside.path().c_str(), dir.fd(), "link"), 0);
  std::atomic<bool> done{false};
  std::atomic<int> swaps{0};
  std::thread attacker([&] {
    while (!done) {
      if (::renameat2(dir.fd(), "folder", dir.fd(), "link", RENAME_EXCHANGE) == 0) ++swaps;
    }
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int i = 0; i < 10'000 || (swaps < 200 && std::chrono::steady_clock::now() < end); ++i) {
    static_cast<void>(make_dirs_at(dir.fd(), "folder/sub", 0755));
    static_cast<void>(write_file_atomic(dir.fd(), "folder/new", "x", 0600, false));
    static_cast<void>(rename_plain(dir.fd(), "folder/new", dir.fd(), "folder/kept"));
    static_cast<void>(unlink_plain(dir.fd(), "folder/kept"));
    static_cast<void>(unlink_plain(dir.fd(), "folder/sub", AT_REMOVEDIR));
  }
  done = true;
  attacker.join();
  EXPECT_GE(swaps, 200) << "names cannot be exchanged here";
  EXPECT_EQ(read_small_file(outside.fd(), "kept", 100).value_or("gone"), "outside");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside.path()), {}), 1);
}

}  // namespace
}  // namespace hubfs
