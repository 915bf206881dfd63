// SPDX-License-Identifier: Apache-2.0
#include "fs/permissions.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

constexpr uid_t kUser = 1000;
constexpr gid_t kGroup = 100;
constexpr mode_t kRead = 0444;
constexpr mode_t kReadAndSearch = 0555;

struct stat owned(mode_t mode, uid_t uid = kUser, gid_t gid = kGroup) {
  struct stat st{};
  st.st_uid = uid;
  st.st_gid = gid;
  st.st_mode = mode;
  return st;
}

mode_t folder_mode(mode_t mode, const Way& way, const PermissionOptions& options = {}) {
  return folder_permission(owned(S_IFDIR | mode), way, options).mode;
}
mode_t file_mode(mode_t mode, const Way& way, const std::vector<struct stat>& folders = {},
                 const PermissionOptions& options = {}) {
  return file_permission(kUser, kGroup, owned(S_IFREG | mode), folders, way, options).mode;
}

const Way kOpen{{{0, 0, 0755}}};

TEST(Permissions, FolderShowsItsOwnerGroupAndMode) {
  const Permission shown = folder_permission(owned(S_IFDIR | 0750), kOpen, {});
  EXPECT_EQ(shown.uid, kUser);
  EXPECT_EQ(shown.gid, kGroup);
  EXPECT_EQ(shown.mode, 0750U);
  EXPECT_EQ(folder_mode(02777, kOpen), 0777U);
  EXPECT_EQ(folder_mode(01777, kOpen), 01777U);
}

TEST(Permissions, FileShowsTheReadBitsOfTheBlobAndOwnerWrite) {
  EXPECT_EQ(file_mode(0644, kOpen), 0644U);
  EXPECT_EQ(file_mode(0600, kOpen), 0600U);
  EXPECT_EQ(file_mode(0444, kOpen), 0644U);
  EXPECT_EQ(file_mode(04775, kOpen), 0644U);
  EXPECT_EQ(file_mode(0666, kOpen), 0644U);
  EXPECT_EQ(file_mode(0000, kOpen), 0200U);
  EXPECT_EQ(file_permission(7, 8, owned(S_IFREG | 0644, 7, 8), {}, kOpen, {}).uid, 7U);
  EXPECT_EQ(file_permission(7, 8, owned(S_IFREG | 0644, 7, 8), {}, kOpen, {}).gid, 8U);
}

TEST(Permissions, BytesOfAnotherOwnerOrGroupShowWhatEverybodyHas) {
  const auto shown = [](mode_t mode, uid_t uid, gid_t gid) {
    return file_permission(kUser, kGroup, owned(S_IFREG | mode, uid, gid), {}, kOpen, {}).mode & kRead;
  };
  EXPECT_EQ(shown(0600, kUser + 1, kGroup), 0U);
  EXPECT_EQ(shown(0640, kUser + 1, kGroup), 0040U);
  EXPECT_EQ(shown(0640, kUser, kGroup + 1), 0400U);
  EXPECT_EQ(shown(0644, kUser + 1, kGroup + 1), 0444U);
}

struct WayCase {
  Way::Step step;
  mode_t folder;  // of 0777
  mode_t file;    // of 0644
};

TEST(Permissions, ClassThatCannotGoTheWayGetsNothing) {
  const WayCase cases[] = {
      {{kUser, kGroup, 0777}, 0777, 0644}, {{kUser, kGroup, 0700}, 0700, 0600}, {{kUser, kGroup, 0750}, 0770, 0640},
      {{kUser, kGroup, 0754}, 0770, 0640}, {{kUser, kGroup, 0077}, 0077, 0244}, {{kUser, kGroup, 0607}, 0007, 0204},
      {{0, 0, 0755}, 0777, 0644},          {{0, 0, 0700}, 0000, 0200},          {{0, kGroup, 0750}, 0770, 0640},
      {{kUser, 0, 0750}, 0700, 0600},      {{0, 0, 0750}, 0000, 0200},          {{0, 0, 0000}, 0000, 0200},
  };
  for (const WayCase& c : cases) {
    const Way way{{{0, 0, 0755}, c.step, {0, 0, 0755}}};
    EXPECT_EQ(folder_mode(0777, way), c.folder) << std::oct << c.step.mode << " of " << std::dec << c.step.uid;
    EXPECT_EQ(file_mode(0644, way), c.file) << std::oct << c.step.mode << " of " << std::dec << c.step.uid;
  }
}

TEST(Permissions, FoldersOfTheRepoAreOnTheWayOfAFile) {
  EXPECT_EQ(file_mode(0644, kOpen, {owned(0755), owned(0755)}), 0644U);
  EXPECT_EQ(file_mode(0644, kOpen, {owned(0755), owned(0700)}), 0600U);
  EXPECT_EQ(file_mode(0644, kOpen, {owned(0750), owned(0755)}), 0640U);
  EXPECT_EQ(file_mode(0644, kOpen, {owned(0700, 0, 0)}), 0200U);
}

TEST(Permissions, ClassWhoseBytesAreAnothersGetsWhatAllHave) {
  struct Case {
    uid_t uid;
    gid_t gid;
    mode_t mode;
    mode_t shown;
  };
  const Case cases[] = {
      {7, kGroup, 0600, 0200}, {7, kGroup, 0640, 0240}, {7, kGroup, 0644, 0644}, {7, kGroup, 0604, 0204},
      {kUser, 8, 0640, 0600},  {kUser, 8, 0644, 0644},  {kUser, 8, 0604, 0600},  {kUser, 8, 0440, 0600},
      {7, 8, 0640, 0200},      {7, 8, 0644, 0644},      {7, 8, 0664, 0644},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(file_permission(kUser, kGroup, owned(c.mode, c.uid, c.gid), {}, kOpen, {}).mode, c.shown)
        << std::oct << c.mode << " of " << std::dec << c.uid << ":" << c.gid;
  }
}

TEST(Permissions, RootGoesEverywhere) {
  const Way closed{{{kUser, kGroup, 0000}}};
  EXPECT_EQ(folder_permission(owned(0755, 0, 0), closed, {}).mode, 0700U);
  EXPECT_EQ(file_permission(0, 0, owned(S_IFREG | 0644, 0, 0), {}, closed, {}).mode, 0600U);
}

TEST(Permissions, StickyStaysWhateverTheWay) { EXPECT_EQ(folder_mode(01777, {{{0, 0, 0700}}}), 01000U); }

TEST(Permissions, UmaskTakesAway) {
  PermissionOptions options;
  options.umask = 027;
  EXPECT_EQ(folder_mode(0755, kOpen, options), 0750U);
  EXPECT_EQ(file_mode(0644, kOpen, {}, options), 0640U);
  EXPECT_EQ(folder_mode(0700, kOpen, options), 0700U);
  options.umask = 0222;
  EXPECT_EQ(file_mode(0644, kOpen, {}, options), 0444U);
}

TEST(Permissions, NewOwnerReadsWhatAllOthersCould) {
  PermissionOptions options;
  options.uid = 7;
  const Permission shown = folder_permission(owned(0750), kOpen, options);
  EXPECT_EQ(shown.uid, 7U);
  EXPECT_EQ(shown.gid, kGroup);
  EXPECT_EQ(shown.mode & kReadAndSearch, 0050U);
  EXPECT_EQ(folder_mode(0755, kOpen, options) & kReadAndSearch, 0555U);
  EXPECT_EQ(file_mode(0640, kOpen, {}, options) & kRead, 0040U);
}

TEST(Permissions, NewGroupReadsWhatAllOthersCould) {
  PermissionOptions options;
  options.gid = 8;
  const Permission shown = folder_permission(owned(0750), kOpen, options);
  EXPECT_EQ(shown.uid, kUser);
  EXPECT_EQ(shown.gid, 8U);
  EXPECT_EQ(shown.mode & kReadAndSearch, 0500U);
  EXPECT_EQ(file_mode(0640, kOpen, {}, options) & kRead, 0400U);
  EXPECT_EQ(file_mode(0644, kOpen, {}, options) & kRead, 0444U);
}

// Whatever the modes: a class with a new member gets what the others had, every other class what it had itself.
TEST(Permissions, OwnerAndGroupOptionsNeverGiveMoreToRead) {
  for (const bool new_owner : {false, true}) {
    for (const bool new_group : {false, true}) {
      PermissionOptions options;
      if (new_owner) options.uid = 7;
      if (new_group) options.gid = 8;
      for (mode_t mode = 0; mode <= 0777; ++mode) {
        const mode_t others = mode & 0007U;
        const mode_t allowed =
            (new_owner ? others << 6U : mode & 0700U) | (new_group ? others << 3U : mode & 0070U) | others;
        const mode_t folder = folder_mode(mode, kOpen, options);
        EXPECT_EQ(folder & kReadAndSearch, allowed & kReadAndSearch) << std::oct << mode;
        EXPECT_EQ(file_mode(mode, kOpen, {}, options) & kRead, allowed & kRead) << std::oct << mode;
      }
    }
  }
}

TEST(Permissions, ExposeLetsAllReadAndUmaskStillTakesAway) {
  PermissionOptions options;
  options.expose = true;
  const Way closed{{{0, 0, 0700}}};
  EXPECT_EQ(folder_mode(0700, closed, options), 0555U);
  EXPECT_EQ(file_mode(0600, closed, {owned(0700)}, options), 0644U);
  options.uid = 7;
  EXPECT_EQ(folder_permission(owned(0700), closed, options).uid, 7U);
  options.umask = 077;
  EXPECT_EQ(folder_mode(0700, closed, options), 0500U);
  EXPECT_EQ(file_mode(0600, closed, {}, options), 0600U);
}

TEST(Permissions, WayHasEveryFolderFromTheTop) {
  test::TempCache cache;
  cache.make_dir("sub");
  cache.chmod("sub", 0710);
  cache.chmod("", 0751);
  const std::string path = cache.path() + "/sub";
  const Way way = way_to(path);
  ASSERT_EQ(way.steps.size(), 1 + static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')));
  struct stat top{};
  ASSERT_EQ(::stat("/", &top), 0);
  EXPECT_EQ(way.steps.front().mode, top.st_mode);
  EXPECT_EQ(way.steps.front().uid, top.st_uid);
  EXPECT_EQ(way.steps.back().mode & 0777U, 0710U);
  EXPECT_EQ(way.steps[way.steps.size() - 2].mode & 0777U, 0751U);
  EXPECT_EQ(way_to("/").steps.size(), 1U);
}

TEST(Permissions, WayToAnOpenFolderFollowsIt) {
  test::TempCache cache;
  cache.make_dir("closed");
  cache.chmod("closed", 0700);
  cache.make_dir("sub");
  const int fd = ::open((cache.path() + "/sub").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  EXPECT_EQ(way_to_open(fd), way_to(cache.path() + "/sub"));
  ASSERT_EQ(::rename((cache.path() + "/sub").c_str(), (cache.path() + "/closed/sub").c_str()), 0);
  EXPECT_EQ(way_to_open(fd), way_to(cache.path() + "/closed/sub"));
  cache.remove("closed/sub");
  EXPECT_EQ(way_to_open(fd), std::nullopt);
  ::close(fd);
}

TEST(Permissions, StepThatCannotBeReadIsClosed) {
  test::TempCache cache;
  const Way way = way_to(cache.path() + "/none/deeper");
  EXPECT_EQ(way.steps.back().mode, 0U);
  EXPECT_EQ(folder_mode(0777, way), 0U);
}

}  // namespace
}  // namespace hubfs
