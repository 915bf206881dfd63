// SPDX-License-Identifier: Apache-2.0
#include "core/base/file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include "tests/core/base/temp_dir.h"

namespace hubfs {
namespace {

using test::TempDir;

std::size_t names_in(const std::string& path) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

TEST(FileIo, WritesAtomicallyAndReadsBack) {
  const TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir.fd(), "a", "one", 0600, true));
  ASSERT_TRUE(write_file_atomic(dir.fd(), "a", "two", 0600, false));
  EXPECT_EQ(read_small_file(dir.fd(), "a", 10).value(), "two");
  EXPECT_EQ(names_in(dir.path()), 1U);
}

TEST(FileIo, FailedAtomicWriteLeavesNothing) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs_at(dir.fd(), "a/b", 0755));
  EXPECT_FALSE(write_file_atomic(dir.fd(), "a", "text", 0600, false));
  EXPECT_EQ(names_in(dir.path()), 1U);
  EXPECT_EQ(write_file_atomic(dir.fd(), "none/x", "text", 0600, false).error().kind, ErrorKind::kNotFound);
}

TEST(FileIo, AtomicWriteReplacesALinkAndNotItsTarget) {
  const TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir.fd(), "target", "kept", 0600, false));
  ASSERT_EQ(::symlinkat("target", dir.fd(), "link"), 0);
  ASSERT_TRUE(write_file_atomic(dir.fd(), "link", "new", 0600, false));
  EXPECT_EQ(read_small_file(dir.fd(), "target", 10).value(), "kept");
  EXPECT_EQ(read_small_file(dir.fd(), "link", 10).value(), "new");
}

TEST(FileIo, SmallReadRefusesWhatIsNoSmallFile) {
  const TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir.fd(), "big", std::string(11, 'x'), 0600, false));
  EXPECT_EQ(read_small_file(dir.fd(), "big", 10).error().kind, ErrorKind::kInvalid);
  EXPECT_TRUE(read_small_file(dir.fd(), "big", 11));
  ASSERT_EQ(::mkfifoat(dir.fd(), "fifo", 0600), 0);
  EXPECT_EQ(read_small_file(dir.fd(), "fifo", 10).error().kind, ErrorKind::kInvalid);
  ASSERT_TRUE(make_dirs_at(dir.fd(), "folder", 0755));
  EXPECT_EQ(read_small_file(dir.fd(), "folder", 10).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(read_small_file(dir.fd(), "none", 10).error().kind, ErrorKind::kNotFound);
}

TEST(FileIo, MakesFoldersButNotThroughLinks) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs_at(dir.fd(), "a/b/c", 0755));
  ASSERT_TRUE(make_dirs_at(dir.fd(), "a/b/c", 0755));
  ASSERT_EQ(::symlinkat("a", dir.fd(), "link"), 0);
  EXPECT_FALSE(make_dirs_at(dir.fd(), "link/d", 0755));
  ASSERT_TRUE(write_file_atomic(dir.fd(), "file", "x", 0600, false));
  EXPECT_EQ(make_dirs_at(dir.fd(), "file/d", 0755).error().sys_errno, ENOTDIR);
}

TEST(FileIo, AtomicWriteDoesNotGoThroughALinkedFolder) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs_at(dir.fd(), "victim", 0755));
  ASSERT_EQ(::symlinkat("victim", dir.fd(), "link"), 0);
  EXPECT_FALSE(write_file_atomic(dir.fd(), "link/x", "text", 0600, false));
  EXPECT_EQ(names_in(dir.path() + "/victim"), 0U);
}

TEST(FileIo, ReadsAndWritesWholeSpans) {
  const TempDir dir;
  const auto fd = open_at(dir.fd(), "f", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  const std::string text = "0123456789";
  ASSERT_TRUE(pwrite_all(fd->get(), std::as_bytes(std::span(text.data(), text.size())), 5));
  std::array<std::byte, 10> into{};
  ASSERT_TRUE(pread_all(fd->get(), into, 5));
  EXPECT_EQ(into[9], std::byte{'9'});
  EXPECT_EQ(pread_all(fd->get(), into, 6).error().kind, ErrorKind::kBadContent);
  EXPECT_FALSE(pread_all(-1, into, 0));
}

TEST(FileIo, ReadsLinks) {
  const TempDir dir;
  ASSERT_EQ(::symlinkat("some/where", dir.fd(), "link"), 0);
  EXPECT_EQ(read_link_at(dir.fd(), "link").value(), "some/where");
  ASSERT_TRUE(write_file_atomic(dir.fd(), "file", "x", 0600, false));
  EXPECT_EQ(read_link_at(dir.fd(), "file").error().sys_errno, EINVAL);
}

TEST(FileIo, RandomNamesDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string name = random_hex8();
    EXPECT_EQ(name.size(), 8U);
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef"), std::string::npos);
    seen.insert(name);
  }
  EXPECT_GT(seen.size(), 95U);
}

}  // namespace
}  // namespace hubfs
