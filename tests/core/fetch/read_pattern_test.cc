// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/read_pattern.h"

#include <gtest/gtest.h>

namespace hubfs {
namespace {

constexpr std::uint64_t kPiece = 128U << 10U;
constexpr std::uint64_t kMiB = 1U << 20U;

void read_on(ReadPattern& pattern, std::uint64_t from, int pieces) {
  for (int i = 0; i < pieces; ++i) {
    pattern.note({from, from + kPiece});
    from += kPiece;
  }
}

TEST(ReadPattern, ALoneReadAsksForLittle) {
  ReadPattern pattern;
  pattern.note({100 * kMiB, 100 * kMiB + 4096});
  EXPECT_EQ(pattern.window_at({100 * kMiB, 100 * kMiB + 4096}), ReadPattern::kLoneWindow);
  EXPECT_FALSE(pattern.follows({100 * kMiB, 100 * kMiB + 4096}));
  EXPECT_EQ(pattern.longest_run(), 4096U);
}

TEST(ReadPattern, TheWindowGrowsWhileReadingGoesOn) {
  ReadPattern pattern;
  read_on(pattern, 0, 2);
  const std::uint64_t early = pattern.streams().front().window;
  EXPECT_EQ(early, ReadPattern::kFirstWindow);
  read_on(pattern, 2 * kPiece, 20);
  EXPECT_EQ(pattern.streams().front().window, 44 * kPiece);
  read_on(pattern, 22 * kPiece, 200);
  EXPECT_EQ(pattern.streams().front().window, ReadPattern::kLargestWindow);
  EXPECT_EQ(pattern.streams().front().next, 222 * kPiece);
  EXPECT_EQ(pattern.longest_run(), 222 * kPiece);
}

TEST(ReadPattern, SeveralStreamsInOneFileEachHaveTheirOwn) {
  ReadPattern pattern;
  for (std::uint64_t step = 0; step < 10; ++step) {
    for (std::uint64_t stream = 0; stream < 8; ++stream) {
      const std::uint64_t at = stream * 100 * kMiB + step * kPiece;
      pattern.note({at, at + kPiece});
    }
  }
  EXPECT_EQ(pattern.streams().size(), 8U);
  for (const auto& stream : pattern.streams()) EXPECT_EQ(stream.window, 20 * kPiece);
}

TEST(ReadPattern, ThreadsThatOvertakeEachOtherAreOneStream) {
  ReadPattern pattern;
  for (const std::uint64_t piece : {0U, 2U, 1U, 4U, 3U, 6U, 5U}) pattern.note({piece * kPiece, (piece + 1) * kPiece});
  EXPECT_EQ(pattern.streams().size(), 1U);
  EXPECT_EQ(pattern.streams().front().next, 7 * kPiece);
}

TEST(ReadPattern, ReadingTheSamePlaceAgainIsNoProgress) {
  ReadPattern pattern;
  for (int i = 0; i < 100; ++i) pattern.note({0, 4096});
  EXPECT_EQ(pattern.streams().front().window, 0U);
  EXPECT_EQ(pattern.longest_run(), 4096U);
}

TEST(ReadPattern, ManyPlacesForgetTheLongestUnused) {
  ReadPattern pattern;
  for (std::uint64_t i = 0; i < 1000; ++i) pattern.note({i * 50 * kMiB, i * 50 * kMiB + 4096});
  EXPECT_LE(pattern.streams().size(), 16U);
  EXPECT_EQ(pattern.streams().front().start, 999 * 50 * kMiB);
}

TEST(ReadPattern, AHeaderIsNoRun) {
  ReadPattern pattern;
  pattern.set_header_end(10 * kMiB);
  read_on(pattern, 0, 80);
  EXPECT_EQ(pattern.longest_run(), 0U);
  EXPECT_EQ(pattern.touched(), 0U);
  read_on(pattern, 10 * kMiB, 3);
  EXPECT_EQ(pattern.longest_run(), 3 * kPiece);
  EXPECT_EQ(pattern.touched(), 3 * kPiece);
}

TEST(ReadPattern, EmptyReadsCountForNothing) {
  ReadPattern pattern;
  pattern.note({5, 5});
  EXPECT_TRUE(pattern.streams().empty());
}

}  // namespace
}  // namespace hubfs
