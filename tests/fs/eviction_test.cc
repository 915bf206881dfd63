// SPDX-License-Identifier: Apache-2.0
#include "fs/eviction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr dev_t kFirst = 1;
constexpr dev_t kSecond = 2;

RepoKey key(const std::string& name) { return test::repo_key("model/org/" + name); }

// One of `bytes` in a file of its own.
EvictionCandidate model(const std::string& name, std::int64_t used, std::uint64_t bytes, const std::string& kept = "",
                        dev_t volume = kFirst) {
  static ino_t next = 1000;
  return {key(name), used, {{{volume, ++next}, {bytes, 1}}}, kept};
}

EvictionCandidate with(EvictionCandidate candidate, FileIdentity file, std::uint64_t bytes, std::uint64_t names = 1) {
  candidate.files[file] = {bytes, names};
  return candidate;
}

RoomNeeded need(std::uint64_t anywhere, std::uint64_t on_volume = 0) { return {anywhere, on_volume, kFirst}; }

TEST(Eviction, TheLeastRecentlyUsedGoFirstAndNotMoreThanIsNeeded) {
  const std::vector<EvictionCandidate> all{model("new", 30, 100), model("old", 10, 100), model("middle", 20, 100)};
  EXPECT_THAT(choose_evictions(all, need(1)).go, ElementsAre(key("old")));
  EXPECT_THAT(choose_evictions(all, need(100)).go, ElementsAre(key("old")));
  const EvictionChoice two = choose_evictions(all, need(101));
  EXPECT_THAT(two.go, ElementsAre(key("old"), key("middle")));
  EXPECT_EQ(two.bytes, 200U);
  EXPECT_TRUE(two.enough);
  EXPECT_THAT(choose_evictions(all, need(300)).go, ElementsAre(key("old"), key("middle"), key("new")));
}

TEST(Eviction, NothingNeededIsNothingGone) {
  const EvictionChoice choice = choose_evictions({model("a", 1, 100)}, need(0));
  EXPECT_TRUE(choice.enough);
  EXPECT_THAT(choice.go, IsEmpty());
}

TEST(Eviction, WhatIsKeptStaysAndIsNamed) {
  const EvictionChoice choice = choose_evictions(
      {model("pinned", 1, 100, "it is pinned"), model("open", 2, 100, "open in x"), model("free", 3, 100)}, need(50));
  EXPECT_THAT(choice.go, ElementsAre(key("free")));
  EXPECT_THAT(choice.stay, ElementsAre("model/org/pinned (it is pinned)", "model/org/open (open in x)"));
}

TEST(Eviction, NothingGoesWhenAllOfItWouldNotBeEnough) {
  const EvictionChoice choice =
      choose_evictions({model("a", 1, 100), model("b", 2, 100), model("c", 3, 900, "it is pinned")}, need(201));
  EXPECT_FALSE(choice.enough);
  EXPECT_THAT(choice.go, IsEmpty());
  EXPECT_EQ(choice.bytes, 0U);
  EXPECT_EQ(words_of_kept(choice.stay), "; what stays: model/org/c (it is pinned)");
}

TEST(Eviction, TheSameTimeIsDecidedByTheName) {
  EXPECT_THAT(choose_evictions({model("b", 1, 100), model("a", 1, 100)}, need(1)).go, ElementsAre(key("a")));
}

TEST(Eviction, ASharedPayloadIsGivenBackByTheLastThatHasIt) {
  const FileIdentity payload{kFirst, 7};
  const std::vector<EvictionCandidate> all{with(model("a", 1, 10), payload, 100), model("other", 2, 10),
                                           with(model("b", 3, 10), payload, 100)};
  const EvictionChoice both = choose_evictions(all, need(120));
  EXPECT_THAT(both.go, ElementsAre(key("a"), key("other"), key("b")));
  EXPECT_EQ(both.bytes, 130U);
  EXPECT_FALSE(choose_evictions(all, need(131)).enough);
}

TEST(Eviction, WhatSharesAllWithAModelThatStaysIsPassedOver) {
  const FileIdentity payload{kFirst, 7};
  EvictionCandidate shares{key("shares"), 1, {{payload, {100, 1}}}, ""};
  const EvictionCandidate pinned{key("pinned"), 5, {{payload, {100, 1}}}, "it is pinned"};
  EXPECT_THAT(choose_evictions({shares, pinned, model("own", 9, 100)}, need(50)).go, ElementsAre(key("own")));
  // Neither does one go whose partner is not reached.
  const EvictionCandidate late{key("late"), 20, {{payload, {100, 1}}}, ""};
  EXPECT_THAT(choose_evictions({shares, late, model("own", 9, 100)}, need(50)).go, ElementsAre(key("own")));
}

TEST(Eviction, AFileWithOtherNamesGivesNothing) {
  const EvictionCandidate linked{key("linked"), 1, {{{kFirst, 8}, {100, 2}}}, ""};
  EXPECT_FALSE(choose_evictions({linked}, need(1)).enough);
  EXPECT_THAT(choose_evictions({linked, model("own", 9, 100)}, need(1)).go, ElementsAre(key("own")));
}

TEST(Eviction, RoomOnAVolumeIsMadeByWhatLiesThere) {
  const std::vector<EvictionCandidate> all{model("far", 1, 100, "", kSecond), model("near", 2, 100)};
  EXPECT_THAT(choose_evictions(all, need(0, 50)).go, ElementsAre(key("near")));
  EXPECT_THAT(choose_evictions(all, need(50, 0)).go, ElementsAre(key("far")));
  EXPECT_THAT(choose_evictions(all, need(50, 50)).go, ElementsAre(key("far"), key("near")));
  EXPECT_FALSE(choose_evictions(all, need(0, 101)).enough);
}

TEST(Eviction, ManyThatStayAreCutShort) {
  EXPECT_EQ(words_of_kept({}), "");
  EXPECT_EQ(words_of_kept({"a (x)", "b (x)"}), "; what stays: a (x), b (x)");
  EXPECT_EQ(words_of_kept({"a", "b", "c", "d", "e", "f"}), "; what stays: a, b, c, d and 2 more");
}

}  // namespace
}  // namespace hubfs
