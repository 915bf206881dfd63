// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a file when the Hub, the CDN or the way to them is at fault.
#include "tests/core/fetch/fetch_engine_fixture.h"

namespace hubfs::test {
namespace {

using hubfs::testing::Content;
using hubfs::testing::ContentPtr;
using hubfs::testing::OriginKind;

class EngineFaultTest : public EngineTest {
 protected:
  EngineFaultTest() : content(Content::synthetic(20 * kMiB, 7)), target(serve("big.bin", content)) {}
  ContentPtr content;
  FetchTarget target;
};

TEST_F(EngineFaultTest, WrongBytesThatNobodySawAreFetchedOnceMore) {
  hub.add_fault({.origin = OriginKind::kCdn, .count = 1, .flip = {1}});
  const auto engine = start();
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_EQ(published(target), content->slice(0, content->size()));
  EXPECT_EQ(engine->events.tainted, 0);
}

TEST_F(EngineFaultTest, TwiceWrongIsAnErrorInWordsAndLeavesNothing) {
  hub.add_fault({.origin = OriginKind::kCdn, .flip = {1}});
  const auto engine = start();
  const Status done = engine->fetch_all(target);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kBadContent);
  EXPECT_NE(done.error().message.find("hash"), std::string::npos);
  EXPECT_FALSE(is_published(target));
  EXPECT_TRUE(partials().empty());
  EXPECT_GE(file_bytes(), 2 * content->size());
}

TEST_F(EngineFaultTest, WhoSawWrongBytesGetsErrorsAndTheNextOpenIsRight) {
  hub.add_fault({.origin = OriginKind::kCdn, .count = 1, .flip = {1}});
  const auto engine = start();
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  ASSERT_TRUE(engine->read(*file, 0, 100));
  const auto rest = engine->read(*file, content->size() - 100, 100);
  const auto whole = engine->fetch_all(target);
  ASSERT_TRUE(eventually([&] { return (*file)->tainted(); })) << "rest: " << rest.has_value();
  EXPECT_EQ(engine->read(*file, 0, 100).error().kind, ErrorKind::kBadContent);
  EXPECT_EQ(engine->events.tainted, 1);
  ASSERT_TRUE(eventually([&] { return is_published(target); })) << "tried once more by itself";
  const auto again = engine->open(target);
  ASSERT_TRUE(again);
  EXPECT_EQ(*engine->read(*again, 0, 100), content->slice(0, 100));
}

TEST_F(EngineFaultTest, ConnectionsThatAreCutAgainAndAgainStillBringItAll) {
  hub.add_fault({.origin = OriginKind::kCdn, .count = 25, .cut_after = 300'000});
  const auto engine = start();
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_EQ(published(target), content->slice(0, content->size()));
  EXPECT_LE(file_bytes(), content->size() + content->size() / 100) << "what had arrived was kept";
}

TEST_F(EngineFaultTest, ResetsAnd503sAndTooManyRequestsPass) {
  hub.add_fault({.origin = OriginKind::kCdn, .count = 2, .reset = true});
  hub.add_fault({.origin = OriginKind::kHub, .count = 1, .status = 429, .headers = {{"Retry-After", "0"}}});
  hub.add_fault({.origin = OriginKind::kCdn, .skip = 2, .count = 2, .status = 503});
  const auto engine = start();
  ASSERT_TRUE(engine->fetch_all(target));
  EXPECT_EQ(published(target).size(), content->size());
}

TEST_F(EngineFaultTest, AnExpiredAddressIsRenewed) {
  const auto engine = start({.fill = FillMode::kNever});
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  hub.add_fault({.origin = OriginKind::kCdn, .count = 1, .status = 403});
  EXPECT_EQ(*engine->read(*file, 15 * kMiB, 100), content->slice(15 * kMiB, 100));
}

TEST_F(EngineFaultTest, ACdnThatIsGoneForAWhileComesBackInTheMiddleOfARead) {
  const auto engine = start({.fill = FillMode::kNever});
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  hub.stop_cdn();
  std::thread back([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    hub.start_cdn();
  });
  EXPECT_EQ(*engine->read(*file, 15 * kMiB, 100), content->slice(15 * kMiB, 100));
  back.join();
}

TEST_F(EngineFaultTest, AServerThatSaysNothingEndsAReadWithATimeout) {
  const auto engine = start({.fill = FillMode::kNever, .give_up_after = std::chrono::seconds(3)});
  const auto file = engine->open(target);
  ASSERT_TRUE(file);
  hub.add_fault({.hang = true});
  const auto read = engine->read(*file, 15 * kMiB, 100);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kTimeout);
  EXPECT_EQ(engine->read(*file, 0, 100)->size(), 100U) << "what is here stays readable";
}

TEST_F(EngineFaultTest, AnswersThatCannotBeUsedAreErrors) {
  struct Case {
    hubfs::testing::Fault fault;
    ErrorKind kind;
  };
  const Case cases[] = {
      {{.origin = OriginKind::kHub, .status = 401}, ErrorKind::kNotFound},
      {{.origin = OriginKind::kHub, .status = 403}, ErrorKind::kAccessDenied},
      {{.origin = OriginKind::kHub, .status = 404}, ErrorKind::kNotFound},
      {{.origin = OriginKind::kCdn, .content_range = "bytes 7-99/20971520"}, ErrorKind::kBadContent},
      {{.origin = OriginKind::kCdn, .content_range = "bytes 0-524287/99"}, ErrorKind::kBadContent},
      {{.origin = OriginKind::kHub, .redirect = "self"}, ErrorKind::kBadContent},
      {{.origin = OriginKind::kHub, .redirect = "file:///etc/passwd"}, ErrorKind::kBadContent},
      {{.origin = OriginKind::kCdn, .gzip = true}, ErrorKind::kBadContent},
  };
  for (const Case& one : cases) {
    hub.reset();
    hub.add_fault(one.fault);
    const auto engine = start();
    const auto file = engine->open(target);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().kind, one.kind) << file.error().message;
    EXPECT_TRUE(partials().empty()) << "nothing came, nothing is left";
  }
}

TEST_F(EngineFaultTest, AServerThatIgnoresRangesServesTheBeginningOnly) {
  const auto engine = start({.fill = FillMode::kNever});
  hub.add_fault({.origin = OriginKind::kCdn, .ignore_range = true});
  const auto file = engine->open(target);
  ASSERT_TRUE(file) << "the first range is the beginning of the whole";
  const auto read = engine->read(*file, 15 * kMiB, 100);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kBadContent);
}

}  // namespace
}  // namespace hubfs::test
