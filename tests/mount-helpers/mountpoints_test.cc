// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/mountpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::TempCache;
using testing::HasSubstr;

class Mountpoints : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& below) const { return folder.path() + "/" + below; }
  TempCache folder;
};

TEST_F(Mountpoints, PathIsMadeAbsoluteAndPlain) {
  folder.make_dir("a/b");
  EXPECT_EQ(absolute_path(path("a/b")), path("a/b"));
  EXPECT_EQ(absolute_path(path("a/b/")), path("a/b"));
  EXPECT_EQ(absolute_path(path("a//./b///")), path("a/b"));
  EXPECT_EQ(absolute_path(path("a/b/../b")), path("a/b"));
  EXPECT_EQ(absolute_path("/"), "/");
  EXPECT_EQ(absolute_path("//"), "/");
}

TEST_F(Mountpoints, RelativePathIsBelowTheCurrentFolder) {
  folder.make_dir("a/b");
  EXPECT_TRUE(test::in_child([&] {
    return ::chdir(path("a").c_str()) == 0 && absolute_path("b") == path("a/b") && absolute_path(".") == path("a") &&
           absolute_path("..") == folder.path() && absolute_path("none") == path("a/none");
  }));
}

TEST_F(Mountpoints, LinksAreResolvedAboveAndAtTheEnd) {
  folder.make_dir("real/dir");
  folder.link("link", "real");
  folder.link("last", "real/dir");
  folder.link("dangling", "none");
  EXPECT_EQ(absolute_path(path("link/dir")), path("real/dir"));
  EXPECT_EQ(absolute_path(path("link/none")), path("real/none"));
  EXPECT_EQ(absolute_path(path("last")), path("real/dir"));
  EXPECT_EQ(absolute_path(path("dangling")), path("dangling"));
}

TEST_F(Mountpoints, PathBelowNothingStaysAsItIs) { EXPECT_EQ(absolute_path(path("none/deeper")), path("none/deeper")); }

TEST_F(Mountpoints, EmptyDirectoryCanBeMountedOn) {
  folder.make_dir("empty");
  EXPECT_TRUE(prepare_mountpoint(path("empty")));
}

TEST_F(Mountpoints, RefusalsSayWhatToDo) {
  folder.write("full/f", "x");
  folder.write("hidden/.f", "x");
  folder.write("file", "x");
  const auto refusal = [&](const std::string& below, ErrorKind kind) {
    const Status status = prepare_mountpoint(path(below));
    EXPECT_FALSE(status) << below;
    if (status) return std::string();
    EXPECT_EQ(status.error().kind, kind) << below;
    EXPECT_THAT(status.error().message, HasSubstr(path(below)));
    return status.error().message;
  };
  EXPECT_THAT(refusal("none", ErrorKind::kNotFound), HasSubstr("mkdir -p " + path("none")));
  EXPECT_THAT(refusal("file", ErrorKind::kInvalid), HasSubstr("not a directory"));
  EXPECT_THAT(refusal("full", ErrorKind::kNotEmpty), HasSubstr("choose an empty directory"));
  EXPECT_THAT(refusal("hidden", ErrorKind::kNotEmpty), HasSubstr("choose an empty directory"));
  refusal("file/below", ErrorKind::kSystem);
}

TEST_F(Mountpoints, DirectoryThatCannotBeReadIsRefused) {
  folder.make_dir("unreadable");
  folder.chmod("unreadable", 0);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const Status status = prepare_mountpoint(path("unreadable"));
    return !status && status.error().kind == ErrorKind::kAccessDenied;
  }));
}

TEST_F(Mountpoints, KnowsWhatIsMounted) {
  folder.make_dir("plain");
  EXPECT_TRUE(is_mountpoint("/proc"));
  EXPECT_FALSE(is_hubfs_mountpoint("/proc"));
  EXPECT_FALSE(is_mountpoint(path("plain")));
  EXPECT_FALSE(is_mountpoint("/proc/self"));
  EXPECT_THAT(hubfs_mountpoints(), testing::Each(testing::Truly(is_hubfs_mountpoint)));
}

}  // namespace
}  // namespace hubfs
