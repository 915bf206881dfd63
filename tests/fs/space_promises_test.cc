// SPDX-License-Identifier: Apache-2.0
#include "fs/space_promises.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "core/base/file_io.h"
#include "core/cache/state_paths.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::TempCache;

class SpacePromisesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(root->has_state()); }
  void have(const BlobId& etag, std::size_t bytes) {
    ASSERT_TRUE(make_dirs_at(root->state_fd(), state::partial_dir(key), 0755));
    std::ofstream(root->state_path() + "/" + state::partial_data(key, etag)) << std::string(bytes, 'x');
  }
  [[nodiscard]] std::size_t files() const {
    std::error_code none;
    const std::filesystem::directory_iterator all(root->state_path() + "/" + state::kPromises, none);
    return none ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  TempCache cache;
  const CacheRootPtr root = CacheRoot::open(cache.path(), false).value();
  const RepoKey key = test::repo_key("model/org/a");
  const BlobId one = test::blob_id(std::string(40, '1'));
  const BlobId two = test::blob_id(std::string(40, '2'));
};

TEST_F(SpacePromisesTest, OtherMountsSeeWhatIsNotHereYet) {
  SpacePromises mine(root);
  const SpacePromises other(root);
  EXPECT_EQ(other.of_others().missing, 0U);
  have(one, 0);
  have(two, 8192);
  mine.publish({{key, one, 100'000}, {key, two, 100'000}});
  EXPECT_EQ(other.of_others().missing, 200'000U - 8192);
  EXPECT_EQ(mine.of_others().missing, 0U) << "its own is not another's";
  have(one, 40'960);
  EXPECT_EQ(other.of_others().missing, 200'000U - 8192 - 40'960);
  EXPECT_EQ(other.of_others().promised, 200'000U);
  mine.publish({});
  EXPECT_EQ(other.of_others().missing, 0U);
}

TEST_F(SpacePromisesTest, WhatIsPublishedOrGivenUpCountsNoMore) {
  SpacePromises mine(root);
  mine.publish({{key, one, 100'000}});
  EXPECT_EQ(SpacePromises(root).of_others().missing, 0U);
}

TEST_F(SpacePromisesTest, AMountThatIsGoneLeavesNothing) {
  have(one, 0);
  auto mine = std::make_optional<SpacePromises>(root);
  mine->publish({{key, one, 100'000}});
  EXPECT_EQ(files(), 1U);
  mine.reset();
  EXPECT_EQ(files(), 0U);
}

TEST_F(SpacePromisesTest, TheFileOfADeadMountIsRemoved) {
  have(one, 0);
  ASSERT_TRUE(make_dirs_at(root->state_fd(), state::kPromises, 0755));
  std::ofstream(root->state_path() + "/" + state::kPromises + "/77.00000000") << "100000 " << state::partial_data(key, one) << "\n";
  EXPECT_EQ(SpacePromises(root).of_others().missing, 0U);
  EXPECT_EQ(files(), 0U);
}

TEST_F(SpacePromisesTest, StrangeContentIsNothing) {
  const SpacePromises reader(root);
  SpacePromises mine(root);
  have(one, 0);
  mine.publish({{key, one, 5000}});
  for (const auto& file : std::filesystem::directory_iterator(root->state_path() + "/" + state::kPromises)) {
    std::ofstream(file.path()) << "-5 x\nmany words\n\xff\xfe 99999999999999999999999 y";
  }
  EXPECT_EQ(reader.of_others().missing, 0U);
}

}  // namespace
}  // namespace hubfs
