// SPDX-License-Identifier: Apache-2.0
//
// The engine beside others on one cache: another engine, another client, and what those leave behind.
#include <fcntl.h>
#include <unistd.h>
#include <utime.h>

#include <filesystem>
#include <thread>

#include "core/cache/blob_lock.h"
#include "core/cache/partial_file.h"
#include "core/cache/state_paths.h"
#include "tests/core/fetch/fetch_engine_fixture.h"

namespace hubfs::test {
namespace {

using hubfs::testing::Content;
using hubfs::testing::ContentPtr;

class EngineSharingTest : public EngineTest {
 protected:
  EngineSharingTest() : content(Content::synthetic(64 * kMiB, 9)), target(serve("big.bin", content)) {}
  ContentPtr content;
  FetchTarget target;
};

TEST_F(EngineSharingTest, WhileAnotherHoldsTheLockReadersAreServedAndNothingIsFilled) {
  std::optional<BlobLock> other = *BlobLock::try_acquire(cache.root(), target.key, target.etag);
  ASSERT_TRUE(other);
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  (*engine)->fetch_all(target, [](const Status&) {});
  EXPECT_EQ(*engine->read(*file, 30 * kMiB, 100), content->slice(30 * kMiB, 100));
  EXPECT_LE(file_bytes(), 4 * kMiB);
  // The other publishes: its blob is the one, and the partial goes.
  cache.add_file(target.key, target.commit, target.path.text(), content->slice(0, content->size()), true);
  other.reset();
  ASSERT_TRUE(eventually([&] { return engine->events.published == 1; }));
  EXPECT_TRUE(partials().empty());
  EXPECT_EQ(*engine->read(*file, 50 * kMiB, 100), content->slice(50 * kMiB, 100));
  EXPECT_LE(file_bytes(), 4 * kMiB);
}

TEST_F(EngineSharingTest, AHolderThatDiesFreesIt) {
  std::optional<BlobLock> other = *BlobLock::try_acquire(cache.root(), target.key, target.etag);
  ASSERT_TRUE(other);
  const auto engine = start();
  std::atomic<bool> done{false};
  (*engine)->fetch_all(target, [&](const Status& status) { done = status.has_value(); });
  engine->settle();
  EXPECT_FALSE(done);
  other.reset();
  EXPECT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_TRUE(is_published(target));
}

TEST_F(EngineSharingTest, TwoEnginesOneDownload) {
  hub.set_rate(20 * kMiB);
  const auto first = start();
  const auto second = start();
  std::thread beside([&] {
    const auto file = second->open(target);
    ASSERT_TRUE(file);
    EXPECT_EQ(*second->read(*file, 40 * kMiB, 100), content->slice(40 * kMiB, 100));
    EXPECT_TRUE(second->fetch_all(target));
  });
  EXPECT_TRUE(first->fetch_all(target));
  beside.join();
  EXPECT_EQ(published(target), content->slice(0, content->size()));
  EXPECT_TRUE(partials().empty());
  EXPECT_LE(file_bytes(), content->size() + content->size() / 100 + 4 * kMiB) << "one fills; the other asks for what it reads";
}

// A power cut: the journal was written, what it speaks of was not.
TEST_F(EngineSharingTest, WhatAPowerCutTookIsFoundBeforeAnythingIsPublished) {
  hub.set_rate(20 * kMiB);
  {
    const auto engine = start();
    (*engine)->fetch_all(target, [](const Status&) {});
    ASSERT_TRUE(eventually([&] { return file_bytes() > 20 * kMiB; }));
  }
  hub.set_rate(0);
  const auto before = list_partials(cache.root(), target.key);
  ASSERT_EQ(before.size(), 1U);
  ASSERT_GT(before.begin()->second.present_bytes, 8 * kMiB);
  const std::string data = cache.root().state_path() + "/" + state::partial_data(target.key, target.etag);
  const int fd = ::open(data.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(kMiB), static_cast<off_t>(4 * kMiB)), 0);
  ::close(fd);
  const auto engine = start();
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_EQ(published(target), content->slice(0, content->size()));
  EXPECT_EQ(engine->events.tainted, 1) << "somebody may have read what came before the power cut";
}

TEST_F(EngineSharingTest, PartialsThatNobodyUsedForLongGo) {
  const auto engine = start({.fill = FillMode::kNever});
  {
    const auto file = engine->open(target);
    ASSERT_TRUE(file);
    ASSERT_TRUE(engine->read(*file, 0, 100));
  }
  ASSERT_EQ(partials().size(), 2U);
  const std::int64_t now = std::time(nullptr);
  EXPECT_TRUE(clean_partials(cache.root(), {now + 100, 10, 0}).empty()) << "in use";
  (*engine)->shut_down();
  EXPECT_TRUE(clean_partials(cache.root(), {now + 5, 10, 0}).empty()) << "young";
  EXPECT_TRUE(clean_partials(cache.root(), {now + 100, 0, 0}).empty()) << "no limit";
  EXPECT_EQ(clean_partials(cache.root(), {now + 100, 10, 0}).size(), 1U);
  EXPECT_TRUE(partials().empty());
}

TEST_F(EngineSharingTest, TooManyPartialsLoseTheLongestUnused) {
  const std::filesystem::path folder = std::filesystem::path(cache.root().state_path()) / state::partial_dir(target.key);
  const std::int64_t now = std::time(nullptr);
  for (const char digit : {'a', 'b', 'c'}) {
    const BlobId etag = blob_id(std::string(1, digit));
    auto partial = PartialFile::open(cache.root(), target.key, etag, {target.commit, target.path, std::nullopt, 4 * kMiB});
    ASSERT_TRUE(partial);
    const std::string bytes(kMiB, 'x');
    ASSERT_EQ(::pwrite(partial->fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    ASSERT_TRUE(partial->record({0, kMiB}));
    ASSERT_TRUE(partial->flush_journal());
    const ::utimbuf times{now - 100 + digit, now - 100 + digit};
    for (const char* suffix : {".data", ".ranges"}) ASSERT_EQ(::utime((folder / (etag.text() + suffix)).c_str(), &times), 0);
  }
  clean_partials(cache.root(), {now + 1000, 0, 2 * kMiB + kMiB / 2});
  const auto left = list_partials(cache.root(), target.key);
  EXPECT_EQ(left.size(), 2U);
  EXPECT_FALSE(left.contains(blob_id("a").text()));
}

TEST_F(EngineSharingTest, WhatADeadProcessLeftOfItsOwnGoes) {
  auto mine = PartialFile::open(cache.root(), target.key, target.etag, {target.commit, target.path, std::nullopt, 100});
  ASSERT_TRUE(mine);
  { auto own = PartialFile::open(cache.root(), target.key, target.etag, {target.commit, target.path, std::nullopt, 100}); }
  EXPECT_EQ(partials().size(), 4U);
  clean_partials(cache.root(), {std::time(nullptr), 0, 0});
  EXPECT_EQ(partials().size(), 2U) << "that of a process that lives stays";
}

}  // namespace
}  // namespace hubfs::test
