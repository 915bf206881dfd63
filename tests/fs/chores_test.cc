// SPDX-License-Identifier: Apache-2.0
#include "fs/chores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace hubfs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;

TEST(ChoresInAThread, RunInTheirOrderAndMayAddMore) {
  std::vector<int> done;
  Chores chores;
  chores.add([&] {
    done.push_back(1);
    chores.add([&] { done.push_back(3); });
  });
  chores.add([&] { done.push_back(2); });
  chores.drain();
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
}

TEST(ChoresInAThread, LaterOnesRunWhenTheyAreDue) {
  std::atomic<int> done{0};
  Chores chores;
  chores.add_after(hours(1), [&] { done = 2; });
  chores.add_after(milliseconds(10), [&] { done = 1; });
  for (int tries = 0; tries < 2000 && done == 0; ++tries) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(done, 1);
}

TEST(ChoresInAThread, TheEndFinishesWhatIsQueuedAndDropsWhatIsNotDue) {
  int now = 0;
  int later = 0;
  {
    Chores chores;
    chores.add_after(hours(1), [&] { later = 1; });
    for (int i = 0; i < 10; ++i) chores.add([&] { ++now; });
  }
  EXPECT_EQ(now, 10);
  EXPECT_EQ(later, 0);
}

}  // namespace
}  // namespace hubfs
