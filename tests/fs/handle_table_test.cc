// SPDX-License-Identifier: Apache-2.0
#include "fs/handle_table.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace hubfs {
namespace {

TEST(HandleTable, GivesNumbersThatAreNeverUsedAgain) {
  HandleTable<int> table;
  const auto first = table.add(std::make_shared<int>(1));
  EXPECT_NE(first, 0U);
  table.take(first);
  EXPECT_NE(table.add(std::make_shared<int>(2)), first);
}

TEST(HandleTable, AHandleThatWasTakenLivesAsLongAsItIsUsed) {
  HandleTable<int> table;
  const auto number = table.add(std::make_shared<int>(7));
  const auto in_use = table.find(number);
  EXPECT_TRUE(table.take(number));
  EXPECT_FALSE(table.find(number));
  EXPECT_FALSE(table.take(number));
  EXPECT_EQ(*in_use, 7);
}

TEST(HandleTable, WhatIsLeftGoesWithTheTable) {
  std::weak_ptr<int> left;
  {
    HandleTable<int> table;
    auto handle = std::make_shared<int>(1);
    left = handle;
    table.add(std::move(handle));
  }
  EXPECT_TRUE(left.expired());
}

TEST(HandleTable, FromManyThreadsEachGetsItsOwn) {
  HandleTable<int> table;
  std::vector<std::thread> threads;
  std::vector<std::vector<std::uint64_t>> numbers(8);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 1000; ++n) {
        numbers[i].push_back(table.add(std::make_shared<int>(static_cast<int>(i))));
        EXPECT_EQ(*table.find(numbers[i].back()), static_cast<int>(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& some : numbers) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), 8000U);
}

}  // namespace
}  // namespace hubfs
