// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fetch_engine.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <thread>

#include "core/cache/blob_lock.h"
#include "tests/core/fetch/fetch_engine_fixture.h"

namespace hubfs::test {
namespace {

using hubfs::testing::Content;
using hubfs::testing::ContentPtr;

TEST_F(EngineTest, ASmallFileIsTakenWholeAndPublishedAsOtherClientsDo) {
  const ContentPtr content = Content::synthetic(300'000, 1);
  const FetchTarget target = serve("sub/a.bin", content);
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*engine->read(*file, 1000, 500), content->slice(1000, 500));
  ASSERT_TRUE(eventually([&] { return engine->events.published == 1; }));
  EXPECT_EQ(published(target), content->slice(0, content->size()));
  EXPECT_EQ(cache.read("models--org--name/refs/main"), target.commit.text());
  EXPECT_TRUE(partials().empty());
  EXPECT_EQ(file_bytes(), content->size());
}

TEST_F(EngineTest, AnEmptyFileIsPublishedWithoutAsking) {
  const FetchTarget target = serve("empty.bin", Content::bytes(""));
  const auto engine = start();
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_EQ(published(target), "");
  EXPECT_TRUE(hub.log().empty());
}

TEST_F(EngineTest, ReadingASafetensorsHeaderBringsLittleMoreThanIt) {
  const ContentPtr content = Content::safetensors(200 * kMiB, 2);
  const FetchTarget target = serve("model.safetensors", content);
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  EXPECT_EQ(*engine->read(*file, 0, 8), content->slice(0, 8));
  EXPECT_EQ(*engine->read(*file, 8, 100), content->slice(8, 100));
  EXPECT_FALSE(BlobLock::is_held(cache.root(), target.key, target.etag)) << "others may download it";
  (*engine)->close(*file);
  engine->settle();
  EXPECT_LE(file_bytes(), 4 * kMiB);
  EXPECT_FALSE(is_published(target));
}

TEST_F(EngineTest, ReadingInSequenceFillsTheRestAlsoWhenTheFileIsClosed) {
  const ContentPtr content = Content::synthetic(60 * kMiB, 3);
  const FetchTarget target = serve("big.bin", content);
  hub.set_rate(10 * kMiB);
  const auto engine = start();
  {
    const auto file = engine->open(target);
    ASSERT_TRUE(file);
    for (std::uint64_t at = 0; at < 10 * kMiB; at += kMiB) ASSERT_EQ(*engine->read(*file, at, kMiB), content->slice(at, kMiB));
    EXPECT_FALSE(is_published(target));
    (*engine)->close(*file);
  }
  ASSERT_TRUE(eventually([&] { return is_published(target); }));
  EXPECT_LE(file_bytes(), content->size() + content->size() / 100);
  // Closing ends no request of the fill: what it had in its connection would be asked for again.
  std::uint64_t asked = 0;
  for (const auto& entry : hub.log()) {
    unsigned long long first = 0;
    unsigned long long last = 0;
    if (entry.origin != hubfs::testing::OriginKind::kCdn) continue;
    ASSERT_EQ(std::sscanf(entry.range.c_str(), "bytes=%llu-%llu", &first, &last), 2) << entry.range;
    asked += last + 1 - first;
  }
  EXPECT_EQ(asked, content->size());
}

TEST_F(EngineTest, NeverMeansNever) {
  const ContentPtr content = Content::synthetic(100 * kMiB, 4);
  const FetchTarget target = serve("big.bin", content);
  const auto engine = start({.fill = FillMode::kNever});
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  for (std::uint64_t at = 0; at < 12 * kMiB; at += kMiB) ASSERT_TRUE(engine->read(*file, at, kMiB));
  EXPECT_FALSE(BlobLock::is_held(cache.root(), target.key, target.etag));
  (*engine)->close(*file);
  engine->settle();
  EXPECT_LE(file_bytes(), 12 * kMiB + 2 * 32 * kMiB) << "what was read, and a window of readahead";
  // What is read to the end is complete all the same.
  const auto again = engine->open(target);
  ASSERT_TRUE(again);
  for (std::uint64_t at = 0; at < content->size(); at += kMiB) ASSERT_TRUE(engine->read(*again, at, kMiB));
  EXPECT_TRUE(eventually([&] { return is_published(target); }));
}

TEST_F(EngineTest, AlwaysMeansFromTheFirstOpen) {
  const ContentPtr content = Content::synthetic(40 * kMiB, 5);
  const FetchTarget target = serve("big.bin", content);
  const auto engine = start({.fill = FillMode::kAlways});
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  (*engine)->close(*file);
  EXPECT_TRUE(eventually([&] { return is_published(target); }));
}

TEST_F(EngineTest, OverlappingDemandsAreFetchedOnce) {
  const ContentPtr content = Content::synthetic(100 * kMiB, 6);
  const FetchTarget target = serve("big.bin", content);
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  const std::uint64_t before = file_bytes();
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&, i] {
      const std::uint64_t at = 50 * kMiB + static_cast<std::uint64_t>(i) * 1000;
      EXPECT_EQ(*engine->read(*file, at, 4096), content->slice(at, 4096));
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_LE(file_bytes() - before, 2 * kMiB);
}

TEST_F(EngineTest, WhatArrivedIsNotAskedForAgainAfterARestart) {
  const ContentPtr content = Content::synthetic(64 * kMiB, 7);
  const FetchTarget target = serve("big.bin", content);
  hub.set_rate(10 * kMiB);
  {
    const auto engine = start();
    const auto file = engine->open(target);
    ASSERT_TRUE(file);
    (*engine)->fetch_all(target, [](const Status&) {});
    ASSERT_TRUE(eventually([&] { return (*file)->present_bytes() > 20 * kMiB; }));
  }
  EXPECT_FALSE(partials().empty());
  hub.set_rate(0);
  const auto engine = start();
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_EQ(published(target).size(), content->size());
  // In flight when it ended: what each connection had in its buffers.
  EXPECT_LE(file_bytes(), content->size() + 16 * kMiB);
}

TEST_F(EngineTest, AFillCanBeStopped) {
  const ContentPtr content = Content::synthetic(200 * kMiB, 8);
  const FetchTarget target = serve("big.bin", content);
  hub.set_rate(4 * kMiB);
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  std::promise<Status> ended;
  (*engine)->fetch_all(target, [&](const Status& status) { ended.set_value(status); });
  ASSERT_TRUE(eventually([&] { return BlobLock::is_held(cache.root(), target.key, target.etag); }));
  (*engine)->stop_filling(*file);
  EXPECT_EQ(ended.get_future().get().error().kind, ErrorKind::kInterrupted);
  engine->settle();
  EXPECT_FALSE(BlobLock::is_held(cache.root(), target.key, target.etag));
  EXPECT_EQ(engine->read(*file, 100 * kMiB, 100)->size(), 100U) << "reading goes on";
  EXPECT_FALSE(is_published(target));
}

TEST_F(EngineTest, ACancelledWaitIsNotAnswered) {
  const FetchTarget target = serve("big.bin", Content::synthetic(64 * kMiB, 9));
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  hub.add_fault({.origin = hubfs::testing::OriginKind::kCdn, .hang = true});
  std::atomic<bool> called{false};
  const WaitId wait = (*engine)->new_wait();
  (*engine)->wait_for(*file, {40 * kMiB, 41 * kMiB}, wait, [&](const Status&) { called = true; });
  engine->settle();
  (*engine)->cancel(wait);
  (*engine)->close(*file);
  engine->settle();
  (*engine)->shut_down();
  EXPECT_FALSE(called);
}

// Opens that were on their way when the file was removed, and those that come after, all hear something.
TEST_F(EngineTest, EveryOpenIsAnsweredWhateverIsRemovedMeanwhile) {
  const FetchTarget target = serve("a.bin", Content::synthetic(50'000, 13));
  const auto engine = start();
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};
  std::atomic<bool> over{false};
  std::thread remover([&] {
    while (!over) {
      (*engine)->forget_repo(target.key);
      cache.remove("models--org--name");
    }
  });
  std::vector<std::thread> openers;
  for (int i = 0; i < 4; ++i) {
    openers.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) {
        ++asked;
        (*engine)->open(target, (*engine)->new_wait(), [&](const Result<FetchFilePtr>&) { ++answered; });
        if (n % 3 == 0) engine->settle();
      }
    });
  }
  for (std::thread& opener : openers) opener.join();
  over = true;
  remover.join();
  EXPECT_TRUE(eventually([&] { return answered == asked; })) << answered << " of " << asked;
}

std::uint64_t free_bytes(const CacheRoot& root) {
  struct statvfs st {};
  EXPECT_EQ(::fstatvfs(root.fd(), &st), 0);
  return std::uint64_t{st.f_bavail} * st.f_frsize;
}

TEST_F(EngineTest, BelowTheFloorNothingIsOpened) {
  const FetchTarget target = serve("a.bin", Content::synthetic(1000, 10));
  const auto engine = start({.floor_bytes = free_bytes(cache.root()) * 2});
  const auto file = engine->open(target);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::kNoSpace);
  EXPECT_TRUE(hub.log().empty());
}

// More than any volume has room for, whatever other tests do on it meanwhile.
class HugeContent final : public Content {
 public:
  [[nodiscard]] std::uint64_t size() const override { return 8ULL << 40U; }
  std::string_view view(std::uint64_t offset, std::uint64_t max, std::string& scratch) const override {
    scratch.assign(std::min<std::uint64_t>(max, 1U << 16U), static_cast<char>('a' + offset % 7));
    return scratch;
  }
  [[nodiscard]] std::string identity() const override { return "huge"; }

 protected:
  [[nodiscard]] std::string compute_sha256() const override { return std::string(64, 'e'); }
};

TEST_F(EngineTest, AHeaderCanBeReadWhereTheWholeHasNoRoom) {
  const ContentPtr content = std::make_shared<HugeContent>();
  FetchTarget target = serve("big.bin", content);
  const auto engine = start({.floor_bytes = free_bytes(cache.root()) / 2});
  const auto file = engine->open(target);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(engine->read(*file, 0, 100));
  const Status all = engine->fetch_all(target);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().kind, ErrorKind::kNoSpace);
  EXPECT_NE((*file)->hindrance(), "");
  EXPECT_FALSE(BlobLock::is_held(cache.root(), target.key, target.etag));
  EXPECT_TRUE(engine->read(*file, 100 * kMiB, 100)) << "reading goes on";
}

TEST_F(EngineTest, HeldBackReadersGetNothingBeforeTheHash) {
  const ContentPtr content = Content::synthetic(20 * kMiB, 12);
  const FetchTarget target = serve("big.bin", content);
  const auto engine = start({.verify_before_read = true});
  hub.add_fault({.origin = hubfs::testing::OriginKind::kCdn, .count = 1, .flip = {5}});
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  EXPECT_EQ(*engine->read(*file, 0, 100), content->slice(0, 100)) << "the first try was wrong, and nobody saw it";
  EXPECT_EQ(engine->events.tainted, 0);
}

}  // namespace
}  // namespace hubfs::test
