// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/pace.h"

#include <gtest/gtest.h>

namespace hubfs {
namespace {

using Seconds = Pace::Seconds;
constexpr std::uint64_t kMiB = 1U << 20U;

Pace paced(double latency, double rate) {
  Pace pace;
  for (int i = 0; i < 100; ++i) {
    pace.answered(Seconds(latency));
    pace.delivered(16 * kMiB, Seconds(static_cast<double>(16 * kMiB) / rate));
  }
  return pace;
}

TEST(Pace, BeforeAnythingIsKnownTheSizesAreModerate) {
  EXPECT_EQ(Pace().chunk(), 16 * kMiB);
  EXPECT_EQ(Pace().worth_waiting(), 4 * kMiB);
}

TEST(Pace, TheWaitForAnAnswerIsATenthOfARequest) {
  const Pace pace = paced(0.05, 50e6);
  EXPECT_NEAR(static_cast<double>(pace.chunk()), 25e6, 1e5);
  EXPECT_NEAR(static_cast<double>(pace.worth_waiting()), 2.5e6, 1e4);
}

TEST(Pace, NeverTooSmallAndNeverTooLarge) {
  EXPECT_EQ(paced(0.0001, 1e9).chunk(), Pace::kSmallestChunk);
  EXPECT_EQ(paced(2, 1e9).chunk(), Pace::kLargestChunk);
  EXPECT_EQ(paced(0.0001, 1e5).worth_waiting(), 64U << 10U);
  EXPECT_EQ(paced(5, 1e9).worth_waiting(), 4 * kMiB);
}

TEST(Pace, ShortRequestsSayNothingAboutTheRate) {
  Pace pace = paced(0.05, 50e6);
  const std::uint64_t before = pace.chunk();
  for (int i = 0; i < 1000; ++i) pace.delivered(1000, Seconds(1));
  EXPECT_EQ(pace.chunk(), before);
}

TEST(Pace, FollowsAChange) {
  Pace pace = paced(0.05, 50e6);
  for (int i = 0; i < 30; ++i) pace.delivered(16 * kMiB, Seconds(static_cast<double>(16 * kMiB) / 100e6));
  EXPECT_GT(pace.chunk(), 45'000'000U);
}

}  // namespace
}  // namespace hubfs
