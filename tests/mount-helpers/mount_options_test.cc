// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mount-helpers/commands.h"
#include "tests/mount-helpers/clean_environment.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MountOptionWords : public testing::Test {
 protected:
  void SetUp() override { env.set("HF_HUB_CACHE", "/hub"); }
  static MountArguments arguments(const std::vector<std::string>& words) {
    MountArguments result;
    result.mountpoint = "/mnt/view";
    result.options = words;
    return result;
  }
  static MountOptions parse(const std::vector<std::string>& words) {
    const auto options = mount_options(arguments(words));
    EXPECT_TRUE(options) << options.error().message;
    return options.value_or(MountOptions{});
  }
  static std::string refusal(const std::string& word) {
    const auto options = mount_options(arguments({word}));
    EXPECT_FALSE(options) << word;
    if (options) return "";
    EXPECT_EQ(options.error().kind, ErrorKind::kInvalid) << word;
    return options.error().message;
  }
  test::CleanEnvironment env;
};

TEST_F(MountOptionWords, WithoutAnyTheDefaultsHold) {
  const MountOptions options = parse({});
  EXPECT_EQ(options.mountpoint, "/mnt/view");
  EXPECT_THAT(options.cache_roots, ElementsAre("/hub"));
  EXPECT_FALSE(options.offline);
  EXPECT_FALSE(options.read_only);
  EXPECT_FALSE(options.allow_other);
  EXPECT_TRUE(options.show_all);
  EXPECT_TRUE(options.passthrough);
  EXPECT_FALSE(options.debug);
  EXPECT_EQ(options.subtree, "");
  EXPECT_EQ(options.permissions.uid, std::nullopt);
  EXPECT_EQ(options.permissions.gid, std::nullopt);
  EXPECT_EQ(options.permissions.umask, 0U);
  EXPECT_FALSE(options.permissions.expose);
  EXPECT_THAT(options.fuse_options, IsEmpty());
}

TEST_F(MountOptionWords, EachFlagSetsItsOwn) {
  EXPECT_TRUE(parse({"ro"}).read_only);
  EXPECT_FALSE(parse({"ro", "rw"}).read_only);
  EXPECT_TRUE(parse({"rw", "ro"}).read_only);
  EXPECT_TRUE(parse({"allow_other"}).allow_other);
  EXPECT_TRUE(parse({"offline"}).offline);
  EXPECT_TRUE(parse({"expose"}).permissions.expose);
  EXPECT_FALSE(parse({"nopassthrough"}).passthrough);
  EXPECT_TRUE(parse({"debug"}).debug);
  EXPECT_THAT(parse({"default_permissions"}).fuse_options, IsEmpty());
}

TEST_F(MountOptionWords, EachValueIsTaken) {
  EXPECT_FALSE(parse({"show=cached"}).show_all);
  EXPECT_TRUE(parse({"show=cached", "show=all"}).show_all);
  EXPECT_EQ(parse({"uid=1000"}).permissions.uid, 1000U);
  EXPECT_EQ(parse({"gid=0109"}).permissions.gid, 109U);
  EXPECT_EQ(parse({"umask=027"}).permissions.umask, 027U);
  EXPECT_EQ(parse({"umask=777"}).permissions.umask, 0777U);
  EXPECT_EQ(parse({"subtree=models/llama//"}).subtree, "models/llama");
  EXPECT_EQ(parse({"subtree="}).subtree, "");
  EXPECT_EQ(parse({"endpoint=http://mirror.test:8080/"}).endpoint, "http://mirror.test:8080");
}

TEST_F(MountOptionWords, MalformedValuesAreRefusedWithASentence) {
  const std::pair<const char*, const char*> cases[] = {
      {"show=some", "option show=some: must be all or cached"},
      {"show=", "option show=: must be all or cached"},
      {"uid=root", "option uid=root: not a number"},
      {"uid=", "option uid=: not a number"},
      {"uid=-1", "option uid=-1: not a number"},
      {"uid=1000x", "option uid=1000x: not a number"},
      {"uid=99999999999", "option uid=99999999999: not a number"},
      {"gid= 5", "option gid= 5: not a number"},
      {"umask=8", "option umask=8: not a number in octal"},
      {"umask=1777", "option umask=1777: must be 000 to 777"},
      {"subtree=/models", "option subtree=/models: must be a folder of the view"},
      {"subtree=models/../hub", "option subtree=models/../hub: must be a folder of the view"},
      {"endpoint=ftp://hub.test", "option endpoint=ftp://hub.test: must be an http or https address"},
      {"endpoint=", "option endpoint=: must be an http or https address"},
  };
  for (const auto& [word, sentence] : cases) EXPECT_THAT(refusal(word), HasSubstr(sentence));
}

TEST_F(MountOptionWords, RoomAndWhereRemovalsAreTaken) {
  const MountOptions none = parse({});
  EXPECT_EQ(none.quota, 0U);
  EXPECT_EQ(none.min_free, 0U);
  EXPECT_FALSE(none.remove_on_shelves_only);
  const MountOptions all = parse({"quota=2T,min_free=512M,remove=models"});
  EXPECT_EQ(all.quota, std::uint64_t{2} << 40U);
  EXPECT_EQ(all.min_free, std::uint64_t{512} << 20U);
  EXPECT_TRUE(all.remove_on_shelves_only);
  EXPECT_FALSE(parse({"remove=models,remove=all"}).remove_on_shelves_only);
  EXPECT_THAT(refusal("quota=lots"), HasSubstr("not a size"));
  EXPECT_THAT(refusal("remove=hub"), HasSubstr("must be all or models"));
  EXPECT_THAT(refusal("ro,quota=1G"), HasSubstr("option ro forbids"));
}

TEST_F(MountOptionWords, UnknownWordsAreRefusedByName) {
  for (const char* word : {"nonsense", "ro=1", "show", "uid", "expose=yes", "subtree", "max_read", "Ro", "offline ",
                           "removes=models", "xdev"}) {
    EXPECT_EQ(refusal(word), "unknown mount option '" + std::string(word) + "'; see the list in hubfs(1)");
  }
}

TEST_F(MountOptionWords, TrashIsATimeAndOffUnlessGiven) {
  EXPECT_EQ(parse({}).keep_removed.count(), 0);
  EXPECT_EQ(parse({"trash=7d"}).keep_removed, std::chrono::hours(7 * 24));
  EXPECT_EQ(parse({"trash=0"}).keep_removed.count(), 0);
  EXPECT_THAT(refusal("trash=soon"), HasSubstr("trash=soon"));
}

TEST_F(MountOptionWords, CommasSplitAndEmptyWordsAreNothing) {
  const MountOptions options = parse({"ro,,show=cached", ",uid=5,", "", "umask=022"});
  EXPECT_TRUE(options.read_only);
  EXPECT_FALSE(options.show_all);
  EXPECT_EQ(options.permissions.uid, 5U);
  EXPECT_EQ(options.permissions.umask, 022U);
  EXPECT_THAT(refusal("ro,nonsense,rw"), HasSubstr("'nonsense'"));
}

TEST_F(MountOptionWords, WordsOfFstabAreForOthers) {
  const MountOptions options = parse({"defaults,auto,noauto,user,nouser,users,nofail,_netdev,owner,group",
                                      "x-systemd.automount,x-anything=at all,comment=mine"});
  EXPECT_THAT(options.fuse_options, IsEmpty());
}

TEST_F(MountOptionWords, WordsOfLibfuseAreHandedOnInTheirOrder) {
  EXPECT_THAT(parse({"nosuid,max_read=65536,ro,allow_root", "fsname=mine,subtype=x,auto_unmount"}).fuse_options,
              ElementsAre("nosuid", "max_read=65536", "allow_root", "fsname=mine", "subtype=x", "auto_unmount"));
  for (const char* word :
       {"dev", "nodev", "suid", "exec", "noexec", "noatime", "sync", "async", "dirsync", "context=a"}) {
    EXPECT_THAT(parse({word}).fuse_options, ElementsAre(word));
  }
}

TEST_F(MountOptionWords, WordsOfFstabThatLibfuseDoesNotKnowAreLeftOut) {
  for (const char* word :
       {"atime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime",
        "nolazytime", "iversion", "noiversion", "mand", "nomand", "silent", "loud", "symfollow", "nosymfollow"}) {
    EXPECT_THAT(parse({word}).fuse_options, IsEmpty()) << word;
  }
}

TEST_F(MountOptionWords, CachesAddUpBehindThoseOfTheCommandLine) {
  MountArguments given = arguments({"cache=/b,ro", "cache=/c,cache=/a"});
  given.cache.caches = {"/a"};
  const auto options = mount_options(given);
  ASSERT_TRUE(options);
  EXPECT_THAT(options->cache_roots, ElementsAre("/a", "/b", "/c"));
  EXPECT_TRUE(options->read_only);
  EXPECT_THAT(parse({"cache=/b"}).cache_roots, ElementsAre("/b")) << "the environment is then not asked";
  EXPECT_THAT(refusal("cache="), HasSubstr("--cache is empty"));
  EXPECT_THAT(refusal("cache=rel"), HasSubstr("--cache rel is relative"));
}

TEST_F(MountOptionWords, OptionsWinOverTheEnvironmentAndTheCommandLine) {
  env.set("HF_ENDPOINT", "http://variable.test");
  MountArguments given = arguments({"endpoint=http://option.test"});
  EXPECT_EQ(mount_options(given)->endpoint, "http://option.test");
  given.cache.endpoint = "http://argument.test";
  EXPECT_EQ(mount_options(given)->endpoint, "http://option.test");
  env.set("HF_HUB_OFFLINE", "1");
  EXPECT_TRUE(parse({}).offline);
}

}  // namespace
}  // namespace hubfs
