// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "core/cache/cache_root.h"

namespace hubfs {
namespace {

using Variables = std::map<std::string, std::string>;

Environment env_of(Variables variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string root_of(Variables variables) {
  const auto root = default_cache_root(env_of(std::move(variables)));
  return root ? *root : "refused: " + root.error().message;
}

TEST(RootFromEnv, PrecedenceIsPythons) {
  Variables all{{"HOME", "/home/u"}};
  EXPECT_EQ(root_of(all), "/home/u/.cache/huggingface/hub");
  all["XDG_CACHE_HOME"] = "/xdg";
  EXPECT_EQ(root_of(all), "/xdg/huggingface/hub");
  all["HF_HOME"] = "/hf";
  EXPECT_EQ(root_of(all), "/hf/hub");
  all["HUGGINGFACE_HUB_CACHE"] = "/legacy";
  EXPECT_EQ(root_of(all), "/legacy");
  all["HF_HUB_CACHE"] = "/cache";
  EXPECT_EQ(root_of(all), "/cache");
  all["TRANSFORMERS_CACHE"] = "/ignored";
  EXPECT_EQ(root_of(all), "/cache");
}

TEST(RootFromEnv, ExpandsHomeAndVariables) {
  EXPECT_EQ(root_of({{"HOME", "/home/u"}, {"HF_HUB_CACHE", "~/c"}}), "/home/u/c");
  EXPECT_EQ(root_of({{"HOME", "/home/u/"}, {"HF_HUB_CACHE", "~"}}), "/home/u");
  EXPECT_EQ(root_of({{"V", "/vol"}, {"HF_HUB_CACHE", "$V/c"}}), "/vol/c");
  EXPECT_EQ(root_of({{"V", "/vol"}, {"HF_HOME", "${V}/h"}}), "/vol/h/hub");
  EXPECT_EQ(root_of({{"HOME", "/h"}, {"XDG_CACHE_HOME", "~/x"}}), "/h/x/huggingface/hub");
  EXPECT_EQ(root_of({{"HF_HUB_CACHE", "/c/$NONE/${NONE}/$"}}), "/c/$NONE/${NONE}/$");
}

TEST(RootFromEnv, EmptyAndRelativeAreRefusedByName) {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) {
    for (const char* value : {"", "cache", "./cache", "$NONE/x", "~nobody-of-this-name/x"}) {
      const auto root = default_cache_root(env_of({{"HOME", "/home/u"}, {variable, value}}));
      ASSERT_FALSE(root) << variable << "=" << value;
      EXPECT_EQ(root.error().kind, ErrorKind::kInvalid);
      EXPECT_NE(root.error().message.find(variable), std::string::npos) << root.error().message;
    }
  }
  // A variable that expands to nothing.
  EXPECT_FALSE(default_cache_root(env_of({{"E", ""}, {"HF_HUB_CACHE", "$E"}})));
}

TEST(RootFromEnv, HomeIsWhereTheTokenLies) {
  EXPECT_EQ(hf_home(env_of({{"HOME", "/home/u"}})).value(), "/home/u/.cache/huggingface");
  EXPECT_EQ(hf_home(env_of({{"HOME", "/home/u"}, {"HF_HUB_CACHE", "/c"}})).value(), "/home/u/.cache/huggingface");
  EXPECT_EQ(hf_home(env_of({{"HF_HOME", "/hf/"}})).value(), "/hf/");
}

TEST(RootFromEnv, ExpandsLikePython) {
  const Environment env = env_of({{"HOME", "/home/u"}, {"A", "$B"}, {"B", "b"}, {"A_1", "x"}});
  EXPECT_EQ(expand_user_and_vars("$A", env), "$B");  // a value is not expanded again
  EXPECT_EQ(expand_user_and_vars("$A_1/$A-1", env), "x/$B-1");
  EXPECT_EQ(expand_user_and_vars("${A", env), "${A");
  EXPECT_EQ(expand_user_and_vars("a~", env), "a~");
  EXPECT_EQ(expand_user_and_vars("~root/x", env), "/root/x");
  EXPECT_EQ(expand_user_and_vars("~", env_of({{"HOME", "/"}})), "/");
}

TEST(RootFromEnv, SwitchesReadLikePython) {
  for (const char* yes : {"1", "on", "ON", "Yes", "true", "TRUE"})
    EXPECT_TRUE(env_flag(env_of({{"X", yes}}), "X")) << yes;
  for (const char* no : {"", "0", "y", "t", " 1 ", "2", "false"})
    EXPECT_FALSE(env_flag(env_of({{"X", no}}), "X")) << no;
  EXPECT_FALSE(env_flag(env_of({}), "X"));
}

}  // namespace
}  // namespace hubfs
