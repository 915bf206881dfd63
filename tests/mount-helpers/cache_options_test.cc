// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mount-helpers/commands.h"
#include "tests/mount-helpers/clean_environment.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CacheOptions : public testing::Test {
 protected:
  MountOptions options(const CacheArguments& arguments = {}) {
    const auto result = cache_options(arguments);
    EXPECT_TRUE(result) << result.error().message;
    return result.value_or(MountOptions{});
  }
  std::string refusal(const CacheArguments& arguments) {
    const auto result = cache_options(arguments);
    EXPECT_FALSE(result);
    if (result) return "";
    EXPECT_EQ(result.error().kind, ErrorKind::kInvalid);
    return result.error().message;
  }
  test::CleanEnvironment env;
};

TEST_F(CacheOptions, WithoutArgumentsTheCacheIsThatOfTheEnvironment) {
  EXPECT_THAT(options().cache_roots, ElementsAre("/nonexistent/.cache/huggingface/hub"));
  env.set("HF_HOME", "/hf");
  EXPECT_THAT(options().cache_roots, ElementsAre("/hf/hub"));
  env.set("HF_HUB_CACHE", "/hub");
  EXPECT_THAT(options().cache_roots, ElementsAre("/hub"));
}

TEST_F(CacheOptions, ArgumentsReplaceTheEnvironmentInTheirOrder) {
  env.set("HF_HUB_CACHE", "/hub");
  EXPECT_THAT(options({.caches = {"/b", "/a"}, .endpoint = ""}).cache_roots, ElementsAre("/b", "/a"));
}

TEST_F(CacheOptions, CacheNamedTwiceIsOne) {
  env.set("V", "/b");
  EXPECT_THAT(options({.caches = {"/b", "/a", "/b", "$V"}, .endpoint = ""}).cache_roots, ElementsAre("/b", "/a"));
}

TEST_F(CacheOptions, HomeAndVariablesAreExpanded) {
  env.set("HOME", "/home/u");
  env.set("V", "/vol");
  EXPECT_THAT(options({.caches = {"~/c", "${V}/d"}, .endpoint = ""}).cache_roots, ElementsAre("/home/u/c", "/vol/d"));
}

TEST_F(CacheOptions, EmptyAndRelativeCachesAreRefused) {
  EXPECT_THAT(refusal({.caches = {""}, .endpoint = ""}), HasSubstr("--cache is empty"));
  EXPECT_THAT(refusal({.caches = {"/a", "b/c"}, .endpoint = ""}), HasSubstr("--cache b/c is relative"));
  env.set("NOTHING", "");
  EXPECT_THAT(refusal({.caches = {"$NOTHING"}, .endpoint = ""}), HasSubstr("--cache $NOTHING is relative"));
}

TEST_F(CacheOptions, BadVariableIsRefusedByName) {
  env.set("HF_HUB_CACHE", "relative");
  EXPECT_THAT(refusal({}), HasSubstr("HF_HUB_CACHE"));
  EXPECT_THAT(options({.caches = {"/a"}, .endpoint = ""}).cache_roots, ElementsAre("/a")) << "it is not looked at";
}

TEST_F(CacheOptions, EndpointIsTheArgumentThenTheVariableThenTheHub) {
  EXPECT_EQ(options().endpoint, "https://huggingface.co");
  env.set("HF_ENDPOINT", "");
  EXPECT_EQ(options().endpoint, "https://huggingface.co");
  env.set("HF_ENDPOINT", "http://mirror.test:8080//");
  EXPECT_EQ(options().endpoint, "http://mirror.test:8080");
  EXPECT_EQ(options({.caches = {}, .endpoint = "https://other.test/"}).endpoint, "https://other.test");
}

TEST_F(CacheOptions, EndpointThatIsNoAddressIsRefused) {
  for (const char* endpoint : {"ftp://hub.test", "hub.test", "http://", "/"}) {
    EXPECT_THAT(refusal({.caches = {}, .endpoint = endpoint}), HasSubstr("not an http or https address")) << endpoint;
  }
  env.set("HF_ENDPOINT", "file:///etc");
  EXPECT_THAT(refusal({}), HasSubstr("'file:///etc'"));
}

TEST_F(CacheOptions, OfflineIsReadAsPythonReadsIt) {
  EXPECT_FALSE(options().offline);
  for (const char* yes : {"1", "ON", "yes", "True"}) {
    env.set("HF_HUB_OFFLINE", yes);
    EXPECT_TRUE(options().offline) << yes;
  }
  for (const char* no : {"0", "off", "no", "2", " 1"}) {
    env.set("HF_HUB_OFFLINE", no);
    EXPECT_FALSE(options().offline) << no;
  }
  env.set("TRANSFORMERS_OFFLINE", "1");
  EXPECT_FALSE(options().offline) << "HF_HUB_OFFLINE decides where it says something";
  env.set("HF_HUB_OFFLINE", "");
  EXPECT_TRUE(options().offline);
  env.unset("HF_HUB_OFFLINE");
  EXPECT_TRUE(options().offline);
  env.set("TRANSFORMERS_OFFLINE", "");
  EXPECT_FALSE(options().offline);
}

TEST_F(CacheOptions, TokenComesFromTheVariableOrTheFile) {
  EXPECT_EQ(options().token, std::nullopt);
  test::TempCache home;
  env.set("HF_HOME", home.path());
  EXPECT_EQ(options().token, std::nullopt);
  home.write("token", "hf_file\n");
  EXPECT_EQ(options().token, "hf_file");
  env.set("HF_TOKEN", "hf_variable");
  EXPECT_EQ(options().token, "hf_variable");
}

TEST_F(CacheOptions, UnusableTokenIsNoRefusal) {
  env.set("HF_TOKEN", "two words");
  EXPECT_EQ(options().token, std::nullopt);
  env.unset("HF_TOKEN");
  env.set("HF_HOME", "");
  EXPECT_EQ(options({.caches = {"/a"}, .endpoint = ""}).token, std::nullopt);
}

}  // namespace
}  // namespace hubfs
