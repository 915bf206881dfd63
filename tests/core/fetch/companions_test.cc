// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/companions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Companions, SmallFilesAndTokenizersComeAlong) {
  EXPECT_THAT(companions_of("config.json", {{"config.json", 500},
                                            {"tokenizer.json", 17U << 20U},
                                            {"spiece.model", 800'000},
                                            {"README.md", 10'000},
                                            {"model.safetensors", 90U << 20U},
                                            {"picture.png", 2U << 20U}}),
              ElementsAre("README.md", "spiece.model", "tokenizer.json"));
}

TEST(Companions, TheOwnFolderComesFirst) {
  EXPECT_THAT(companions_of("unet/config.json", {{"a.json", 1}, {"unet/b.json", 900}, {"vae/c.json", 2}}),
              ElementsAre("unet/b.json", "a.json", "vae/c.json"));
}

TEST(Companions, NotMoreThanIsReasonable) {
  std::vector<SmallFile> many;
  for (int i = 0; i < 1000; ++i) many.push_back({std::to_string(i), 10});
  EXPECT_EQ(companions_of("x", many).size(), 128U);
  std::vector<SmallFile> heavy;
  for (int i = 0; i < 10; ++i) heavy.push_back({"tokenizer-" + std::to_string(i), 20U << 20U});
  EXPECT_EQ(companions_of("x", heavy).size(), 3U);
}

TEST(Companions, NoneMissingNoneCome) { EXPECT_THAT(companions_of("config.json", {{"config.json", 3}}), IsEmpty()); }

}  // namespace
}  // namespace hubfs
