// SPDX-License-Identifier: Apache-2.0
//
// When room is asked for, and what becomes of a file that does not get it.
#include <mutex>
#include <thread>

#include "core/cache/blob_lock.h"
#include "tests/core/fetch/fetch_engine_fixture.h"

namespace hubfs::test {
namespace {

using hubfs::testing::Content;
using hubfs::testing::ContentPtr;

class EngineRoomTest : public EngineTest {
 protected:
  static constexpr std::uint64_t kBig = 64 * kMiB;

  // An engine for which there is room up to `limit` bytes of a file.
  std::unique_ptr<Engine> start_with_room(std::uint64_t limit, FillMode fill = FillMode::kAuto) {
    FetchOptions options;
    options.fill = fill;
    options.ask_for_room = true;
    auto engine = start(options);
    engine->events.room = [this, limit](const FetchFilePtr&, std::uint64_t upto,
                                        const std::function<void(Status)>& done) {
      {
        const std::lock_guard lock(mutex);
        asked.push_back(upto);
      }
      done(upto <= limit ? Status{} : Status(fail(ErrorKind::kNoSpace, "no room for so much")));
    };
    return engine;
  }
  std::vector<std::uint64_t> asks() {
    const std::lock_guard lock(mutex);
    return asked;
  }

  std::mutex mutex;
  std::vector<std::uint64_t> asked;
};

TEST_F(EngineRoomTest, NobodyIsAskedUnlessTheMountWantsIt) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kMiB, 1));
  const auto engine = start();
  engine->events.room = [this](const FetchFilePtr&, std::uint64_t upto, const std::function<void(Status)>& done) {
    asked.push_back(upto);
    done({});
  };
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_TRUE(asks().empty());
}

TEST_F(EngineRoomTest, ASmallFileAsksOnceForAllOfIt) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kMiB, 1));
  const auto engine = start_with_room(kMiB);
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_TRUE(is_published(target));
  EXPECT_EQ(asks(), std::vector<std::uint64_t>{kMiB});
}

TEST_F(EngineRoomTest, WithoutRoomTheOpenFailsInWordsAndNothingIsAskedOfTheHub) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kMiB, 1));
  const auto engine = start_with_room(kMiB - 1);
  const auto file = engine->open(target);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::kNoSpace);
  EXPECT_NE(file.error().message.find("a.bin: no room for so much"), std::string::npos) << file.error().message;
  EXPECT_EQ(file_bytes(), 0U);
  engine->settle();
  EXPECT_TRUE(partials().empty());
  EXPECT_FALSE(engine->fetch_all(target));
}

TEST_F(EngineRoomTest, WhatIsInTheCacheNeedsNoRoom) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kMiB, 1));
  ASSERT_TRUE(start()->fetch_all(target));
  const auto engine = start_with_room(0);
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_TRUE(asks().empty());
}

TEST_F(EngineRoomTest, AnAnswerMayComeLaterAndFromAnotherThread) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kMiB, 1));
  const auto engine = start_with_room(0);
  std::thread other;
  engine->events.room = [&](const FetchFilePtr&, std::uint64_t, std::function<void(Status)> done) {
    other = std::thread([done = std::move(done)] { done({}); });
  };
  ASSERT_TRUE(engine->fetch_all(target));
  other.join();
  EXPECT_TRUE(is_published(target));
}

TEST_F(EngineRoomTest, AFileCanBeRemovedWhileItWaitsForRoom) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kMiB, 1));
  const auto engine = start_with_room(0);
  std::atomic<bool> waits = false;
  std::function<void(Status)> late;
  engine->events.room = [&](const FetchFilePtr&, std::uint64_t, std::function<void(Status)> done) {
    late = std::move(done);
    waits = true;
  };
  std::atomic<bool> ended = false;
  (*engine)->fetch_all(target, [&](const Status& done) { ended = !done; });
  ASSERT_TRUE(eventually([&] { return waits.load(); }));
  (*engine)->forget_repo(target.key);
  EXPECT_TRUE(ended);
  late({});
  engine->settle();
  EXPECT_FALSE(is_published(target));
  EXPECT_TRUE(partials().empty());
}

TEST_F(EngineRoomTest, ALargeFileAsksForAllOnlyWhenAllIsWanted) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kBig, 1));
  const auto engine = start_with_room(kBig);
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  ASSERT_TRUE(engine->read(*file, 0, 4096));
  EXPECT_EQ(asks(), std::vector<std::uint64_t>{32 * kMiB});
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_TRUE(is_published(target));
  // Perhaps more than once: it is asked again while a download goes on.
  ASSERT_GE(asks().size(), 2U);
  EXPECT_EQ(asks()[1], kBig);
}

TEST_F(EngineRoomTest, WithoutRoomForAllItsBeginningCanBeReadAndTheRestIsRefusedInWords) {
  const FetchTarget target = serve("a.bin", Content::synthetic(kBig, 1));
  const auto engine = start_with_room(kBig - 1);
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  const Status whole = engine->fetch_all(target);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().kind, ErrorKind::kNoSpace);
  EXPECT_NE((*file)->hindrance().find("no room for so much"), std::string::npos);
  ASSERT_TRUE(engine->read(*file, 0, 4096));
  EXPECT_TRUE(eventually([&] { return !BlobLock::is_held(cache.root(), target.key, target.etag); }));
  EXPECT_LT((*file)->present_bytes(), kBig);
}

TEST_F(EngineRoomTest, ReadingOnBehindWhatWasGrantedEndsWithNoSpace) {
  const ContentPtr content = Content::synthetic(kBig, 1);
  const FetchTarget target = serve("a.bin", content);
  const auto engine = start_with_room(32 * kMiB, FillMode::kNever);
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  Result<std::string> last;
  std::uint64_t at = 0;
  EXPECT_TRUE(eventually([&] {
    last = engine->read(*file, at, 4096);
    if (last) at = std::min(at + kMiB, kBig - 4096);
    return !last;
  }));
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().kind, ErrorKind::kNoSpace);
  EXPECT_NE(last.error().message.find("no room for so much"), std::string::npos);
  EXPECT_FALSE(is_published(target));
}

}  // namespace
}  // namespace hubfs::test
