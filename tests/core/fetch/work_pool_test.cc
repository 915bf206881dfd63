// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace hubfs {
namespace {

TEST(WorkPool, RunsEverythingThatItIsGiven) {
  std::atomic<int> done{0};
  WorkPool pool(4);
  std::promise<void> last;
  for (int i = 0; i < 1000; ++i) {
    pool.run([&] {
      if (++done == 1000) last.set_value();
    });
  }
  last.get_future().wait();
  EXPECT_EQ(done, 1000);
}

TEST(WorkPool, DrainWaitsForWhatRunsAndDropsTheRest) {
  WorkPool pool(1);
  std::promise<void> running;
  std::promise<void> go_on;
  std::atomic<bool> finished{false};
  std::atomic<bool> dropped_ran{false};
  pool.run([&] {
    running.set_value();
    go_on.get_future().wait();
    finished = true;
  });
  running.get_future().wait();
  pool.run([&] { dropped_ran = true; });
  std::thread releaser([&] {
    // A pool that is being drained takes nothing more.
    for (bool draining = false; !draining;) {
      auto token = std::make_shared<int>();
      const std::weak_ptr<int> taken = token;
      pool.run([token = std::move(token)] {});
      draining = taken.expired();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    go_on.set_value();
  });
  pool.drain();
  EXPECT_TRUE(finished);
  releaser.join();
  pool.run([&] { dropped_ran = true; });
  EXPECT_FALSE(dropped_ran);
}

}  // namespace
}  // namespace hubfs
