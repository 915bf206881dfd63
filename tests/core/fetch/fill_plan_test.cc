// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace hubfs {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

class FillPlan : public testing::Test {
 protected:
  FillPlan() {
    state.size = 1000 * kMiB;
    state.present = &present;
  }
  std::optional<NextRequest> next(bool demand_only = false) const { return next_request(state, demand_only); }
  RangeSet present;
  FillState state;
};

TEST_F(FillPlan, WithNothingWantedThereIsNothingToAsk) { EXPECT_FALSE(next()); }

TEST_F(FillPlan, AReaderGetsItsWindowAtOnce) {
  state.wanted = {{{10 * kMiB, 10 * kMiB + 4096}, kMiB, false}};
  const auto request = next();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->urgency, Urgency::kDemand);
  EXPECT_EQ(request->range, (ByteRange{10 * kMiB, 11 * kMiB}));
}

TEST_F(FillPlan, OnlyWhatIsMissingIsAskedFor) {
  present.add({0, 10 * kMiB});
  present.add({10 * kMiB + 8192, 20 * kMiB});
  state.wanted = {{{10 * kMiB - 4096, 10 * kMiB + 4096}, kMiB, false}};
  EXPECT_EQ(next()->range, (ByteRange{10 * kMiB, 10 * kMiB + 8192}));
}

TEST_F(FillPlan, ReadersComeBeforeReadaheadAndThatBeforeTheRest) {
  state.fill = true;
  state.ahead = {{50 * kMiB, 60 * kMiB}};
  state.wanted = {{{900 * kMiB, 900 * kMiB + 1}, kMiB, false}};
  EXPECT_EQ(next()->urgency, Urgency::kDemand);
  EXPECT_EQ(next(true)->urgency, Urgency::kDemand);
  state.wanted.clear();
  EXPECT_EQ(next()->urgency, Urgency::kAhead);
  EXPECT_FALSE(next(true));
  state.ahead.clear();
  EXPECT_EQ(next()->urgency, Urgency::kBackground);
}

TEST_F(FillPlan, OverlappingDemandsAreAskedForOnce) {
  state.wanted = {{{0, 4096}, kMiB, false}, {{4096, 8192}, kMiB, false}, {{0, 8192}, kMiB, false}};
  const auto first = next();
  ASSERT_TRUE(first);
  state.on_its_way = {{first->range.first, first->range.end}};
  EXPECT_FALSE(next());
}

TEST_F(FillPlan, WhoIsNearARunningRequestWaitsForIt) {
  state.on_its_way = {{0, 64 * kMiB}};
  state.wanted = {{{3 * kMiB, 3 * kMiB + 4096}, kMiB, false}};
  EXPECT_FALSE(next());
}

TEST_F(FillPlan, ALoneReadFarBehindGetsASmallRequestAndEndsNoOther) {
  state.on_its_way = {{0, 64 * kMiB}};
  state.wanted = {{{32 * kMiB, 32 * kMiB + 4096}, 256U << 10U, false}};
  const auto request = next();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->range, (ByteRange{32 * kMiB, 32 * kMiB + (256U << 10U)}));
  EXPECT_FALSE(request->shorten);
  state.on_its_way.push_back({request->range.first, request->range.end});
  EXPECT_FALSE(next()) << "asked for once";
}

TEST_F(FillPlan, ASequentialReaderFarBehindTakesTheRestOver) {
  state.on_its_way = {{100 * kMiB, 110 * kMiB}, {0, 64 * kMiB}};
  state.wanted = {{{32 * kMiB, 32 * kMiB + 4096}, kMiB, true}};
  const auto request = next();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->range, (ByteRange{32 * kMiB, 64 * kMiB}));
  EXPECT_EQ(request->shorten, 1U);
}

TEST_F(FillPlan, ASlidingWindowIsAskedForInLargeSteps) {
  present.add({0, 10 * kMiB});
  state.ahead = {{kMiB, 11 * kMiB}};
  EXPECT_FALSE(next()) << "a tenth of the window is missing";
  state.ahead = {{8 * kMiB, 18 * kMiB}};
  EXPECT_EQ(next()->range, (ByteRange{10 * kMiB, 18 * kMiB}));
}

TEST_F(FillPlan, TheEndOfTheFileIsAskedForHoweverSmall) {
  present.add({0, state.size - 4096});
  state.ahead = {{state.size - 20 * kMiB, state.size + 12 * kMiB}};
  EXPECT_EQ(next()->range, (ByteRange{state.size - 4096, state.size}));
}

TEST_F(FillPlan, AHeaderComesInOnePiece) {
  present.add({0, 512U << 10U});
  state.header = {0, 700U << 10U};
  EXPECT_EQ(next()->range, (ByteRange{512U << 10U, 700U << 10U}));
}

TEST_F(FillPlan, TheBackgroundGoesOnBehindTheReaderAndWrapsAround) {
  state.fill = true;
  state.chunk = 100 * kMiB;
  state.cursor = 950 * kMiB;
  EXPECT_EQ(next()->range, (ByteRange{950 * kMiB, 1000 * kMiB}));
  present.add({950 * kMiB, 1000 * kMiB});
  EXPECT_EQ(next()->range, (ByteRange{0, 100 * kMiB}));
  state.cursor = 5000 * kMiB;
  EXPECT_EQ(next()->range, (ByteRange{0, 100 * kMiB}));
}

// Whatever is wanted and however it arrives: carrying out the plan ends with a whole file, and asks for little twice.
TEST_F(FillPlan, CarriedOutItEndsAndAsksForEverythingOnce) {
  std::mt19937 random(20);
  for (int round = 0; round < 20; ++round) {
    present = {};
    state = {};
    state.size = 40 * kMiB + random() % kMiB;
    state.present = &present;
    state.fill = true;
    state.chunk = 2 * kMiB + random() % (6 * kMiB);
    std::uint64_t asked = 0;
    int steps = 0;
    while (present.total() < state.size) {
      ASSERT_LT(++steps, 20'000);
      if (state.on_its_way.size() < 8) {
        if (const auto request = next_request(state, false)) {
          ASSERT_LT(request->range.first, request->range.end);
          ASSERT_LE(request->range.end, state.size);
          if (request->shorten) {
            asked -= state.on_its_way[*request->shorten].end - request->range.first;
            state.on_its_way[*request->shorten].end = request->range.first;
          }
          asked += request->range.size();
          state.on_its_way.push_back({request->range.first, request->range.end});
          continue;
        }
      }
      ASSERT_FALSE(state.on_its_way.empty());
      OnItsWay& moving = state.on_its_way[random() % state.on_its_way.size()];
      const std::uint64_t to = std::min<std::uint64_t>(moving.end, moving.next + random() % kMiB + 1);
      present.add({moving.next, to});
      moving.next = to;
      state.cursor = random() % state.size;
      std::erase_if(state.on_its_way, [](const OnItsWay& r) { return r.next >= r.end; });
    }
    EXPECT_EQ(asked, state.size);
  }
}

}  // namespace
}  // namespace hubfs
