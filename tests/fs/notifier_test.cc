// SPDX-License-Identifier: Apache-2.0
#include "fs/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A kernel that writes down what it is told; a call about a chosen node does not return before it is let go.
class FakeKernel : public KernelCaches {
 public:
  void invalidate_name(NodeId parent, const std::string& name) override {
    note(parent, "name " + std::to_string(parent) + "/" + name);
  }
  void invalidate_listing(NodeId dir) override { note(dir, "listing " + std::to_string(dir)); }
  void invalidate_attributes(NodeId node) override { note(node, "attributes " + std::to_string(node)); }
  void invalidate_pages(NodeId node) override { note(node, "pages " + std::to_string(node)); }

  void hold(NodeId node) { held_ = node; }
  void wait_until_held() { reached_.get_future().wait(); }
  void let_go() { released_.set_value(); }

  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  void note(NodeId node, std::string call) {
    if (node == held_) {
      reached_.set_value();
      released_.get_future().wait();
    }
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
  }
  NodeId held_ = 0;  // set before anything is queued
  std::promise<void> reached_;
  std::promise<void> released_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
};

class NotifierOfAKernel : public testing::Test {
 protected:
  /// What was told, once so many calls came: drain() gives up after a second, which a loaded machine may need.
  std::vector<std::string> after(std::size_t calls) {
    constexpr int kTries = 30;
    for (int i = 0; i < kTries && (i == 0 || kernel.calls().size() < calls); ++i) notifier.drain();
    return kernel.calls();
  }
  FakeKernel kernel;
  Notifier notifier{kernel};
};

TEST_F(NotifierOfAKernel, TellsEverythingInOrder) {
  notifier.name_changed(2, "a");
  notifier.listing_changed(2);
  notifier.attributes_changed(3);
  notifier.pages_wrong(5);
  notifier.name_changed(4, "b");
  notifier.drain();
  EXPECT_THAT(kernel.calls(), ElementsAre("name 2/a", "listing 2", "attributes 3", "pages 5", "name 4/b"));
}

TEST_F(NotifierOfAKernel, DrainOfNothingReturns) {
  notifier.drain();
  EXPECT_THAT(kernel.calls(), IsEmpty());
}

TEST_F(NotifierOfAKernel, ParkedDirectoryWaitsAndTheOthersGoOn) {
  notifier.park(2);
  notifier.name_changed(2, "a");
  notifier.listing_changed(2);
  notifier.name_changed(3, "b");
  notifier.listing_changed(3);
  EXPECT_THAT(after(2), ElementsAre("name 3/b", "listing 3"));
  notifier.unpark(2);
  EXPECT_THAT(after(4), ElementsAre("name 3/b", "listing 3", "name 2/a", "listing 2"));
}

// Attributes lock no directory: a parked one may be told.
TEST_F(NotifierOfAKernel, AttributesOfAParkedDirectoryDoNotWait) {
  notifier.park(2);
  notifier.attributes_changed(2);
  EXPECT_THAT(after(1), ElementsAre("attributes 2"));
}

TEST_F(NotifierOfAKernel, DirectoryWaitsForTheLastOfItsLookUps) {
  notifier.park(2);
  notifier.park(2);
  notifier.name_changed(2, "a");
  notifier.unpark(2);
  notifier.name_changed(2, "b");
  notifier.drain();
  EXPECT_THAT(kernel.calls(), IsEmpty());
  notifier.unpark(2);
  EXPECT_THAT(after(2), ElementsAre("name 2/a", "name 2/b"));
}

TEST_F(NotifierOfAKernel, UnparkingWhatIsNotParkedIsNothing) {
  notifier.unpark(2);
  notifier.park(2);
  notifier.name_changed(2, "a");
  notifier.drain();
  EXPECT_THAT(kernel.calls(), IsEmpty());
  notifier.unpark(2);
  EXPECT_THAT(after(1), ElementsAre("name 2/a"));
}

TEST_F(NotifierOfAKernel, QueuesWhileTheKernelIsBusy) {
  kernel.hold(9);
  notifier.listing_changed(9);
  kernel.wait_until_held();
  notifier.listing_changed(2);
  notifier.park(3);
  notifier.listing_changed(3);
  notifier.unpark(3);
  EXPECT_THAT(kernel.calls(), IsEmpty());
  kernel.let_go();
  EXPECT_THAT(after(3), ElementsAre("listing 9", "listing 2", "listing 3"));
}

// What was queued before the look-up began waits as well: the kernel would hold this thread, and all others with it.
TEST_F(NotifierOfAKernel, WhatIsQueuedWhenADirectoryIsParkedWaitsToo) {
  kernel.hold(9);
  notifier.listing_changed(9);
  kernel.wait_until_held();
  notifier.name_changed(2, "a");
  notifier.name_changed(3, "b");
  notifier.attributes_changed(2);
  notifier.park(2);
  notifier.name_changed(2, "c");
  kernel.let_go();
  EXPECT_THAT(after(3), ElementsAre("listing 9", "name 3/b", "attributes 2"));
  notifier.unpark(2);
  EXPECT_THAT(after(5), ElementsAre("listing 9", "name 3/b", "attributes 2", "name 2/a", "name 2/c"));
}

TEST(NotifierAtItsEnd, EndsWithNotesThatNobodySent) {
  FakeKernel kernel;
  kernel.hold(9);
  std::future<void> ended;
  {
    auto notifier = std::make_unique<Notifier>(kernel);
    notifier->park(2);
    notifier->listing_changed(2);
    notifier->listing_changed(9);
    kernel.wait_until_held();
    for (NodeId node = 100; node < 200; ++node) notifier->listing_changed(node);
    ended = std::async(std::launch::async, [&notifier] { notifier.reset(); });
    kernel.let_go();
    ended.get();
  }
  EXPECT_EQ(kernel.calls().front(), "listing 9");
  EXPECT_THAT(kernel.calls(), testing::Not(testing::Contains("listing 2")));
}

TEST(NotifierAtItsEnd, EndsWithNothingToDo) {
  FakeKernel kernel;
  {
    const Notifier notifier(kernel);
  }
  EXPECT_THAT(kernel.calls(), IsEmpty());
}

TEST_F(NotifierOfAKernel, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto dir = static_cast<NodeId>(t + 2);
      for (int i = 0; i < kEach; ++i) {
        notifier.park(dir);
        notifier.name_changed(dir, std::to_string(i));
        notifier.unpark(dir);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto calls = after(kThreads * kEach);
  EXPECT_EQ(calls.size(), static_cast<std::size_t>(kThreads * kEach));
  for (int t = 0; t < kThreads; ++t) {
    const std::string prefix = "name " + std::to_string(t + 2) + "/";
    int next = 0;
    for (const std::string& call : calls) {
      if (!call.starts_with(prefix)) continue;
      EXPECT_EQ(call, prefix + std::to_string(next++));
    }
    EXPECT_EQ(next, kEach);
  }
}

}  // namespace
}  // namespace hubfs
