// SPDX-License-Identifier: Apache-2.0
#include "core/model/range_set.h"

#include <gtest/gtest.h>

#include <random>

namespace hubfs {
namespace {

using Ranges = std::vector<ByteRange>;

TEST(RangeSet, MergesNeighboursAndOverlaps) {
  RangeSet set;
  set.add({10, 20});
  set.add({30, 40});
  set.add({20, 30});
  EXPECT_EQ(set.ranges(), (Ranges{{10, 40}}));
  set.add({5, 50});
  EXPECT_EQ(set.ranges(), (Ranges{{5, 50}}));
  EXPECT_EQ(set.total(), 45U);
  set.add({7, 7});
  EXPECT_EQ(set.total(), 45U);
}

TEST(RangeSet, RemovesFromTheMiddle) {
  RangeSet set;
  set.add({0, 100});
  set.remove({40, 60});
  EXPECT_EQ(set.ranges(), (Ranges{{0, 40}, {60, 100}}));
  set.remove({0, 1000});
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.total(), 0U);
}

TEST(RangeSet, TellsWhatIsMissing) {
  RangeSet set;
  set.add({10, 20});
  set.add({30, 40});
  EXPECT_EQ(set.missing_in({0, 50}), (Ranges{{0, 10}, {20, 30}, {40, 50}}));
  EXPECT_EQ(set.missing_in({12, 18}), Ranges{});
  EXPECT_EQ(set.first_missing_in({10, 35}), (ByteRange{20, 30}));
  EXPECT_EQ(set.first_missing_in({12, 18}).size(), 0U);
  EXPECT_EQ(set.run_end(15), 20U);
  EXPECT_EQ(set.run_end(25), 25U);
  EXPECT_TRUE(set.contains({10, 20}));
  EXPECT_TRUE(set.contains({25, 25}));
  EXPECT_FALSE(set.contains({19, 21}));
}

TEST(RangeSet, AgreesWithABitmap) {
  std::mt19937 random(7);
  RangeSet set;
  std::vector<bool> bits(200);
  for (int step = 0; step < 3000; ++step) {
    const auto a = static_cast<std::uint64_t>(random() % 200);
    const auto b = static_cast<std::uint64_t>(random() % 200);
    const ByteRange range{std::min(a, b), std::max(a, b)};
    const bool adds = random() % 2 == 0;
    adds ? set.add(range) : set.remove(range);
    for (std::uint64_t i = range.first; i < range.end; ++i) bits[i] = adds;
    std::uint64_t total = 0;
    for (std::uint64_t i = 0; i < bits.size(); ++i) {
      ASSERT_EQ(set.contains({i, i + 1}), bits[i]) << "at " << i << " in step " << step;
      total += bits[i] ? 1 : 0;
    }
    ASSERT_EQ(set.total(), total);
  }
}

}  // namespace
}  // namespace hubfs
