// SPDX-License-Identifier: Apache-2.0
#include "fs/removal_ledger.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/unique_fd.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(RemovalLedgerOfAMount, OpenFilesArePendingUntilTheyAreClosed) {
  test::TempCache cache;
  cache.write("open", std::string(10'000, 'o'));
  cache.write("closed", "c");
  UniqueFd fd(::open((cache.path() + "/open").c_str(), O_RDONLY | O_CLOEXEC));
  struct stat open{};
  struct stat closed{};
  ASSERT_EQ(::fstat(fd.get(), &open), 0);
  ASSERT_EQ(::stat((cache.path() + "/closed").c_str(), &closed), 0);
  cache.remove("open");
  cache.remove("closed");

  RemovalLedger ledger;
  ledger.removed({{open.st_dev, open.st_ino, 12'288}, {closed.st_dev, closed.st_ino, 4096}});
  auto report = ledger.report();
  EXPECT_EQ(report.pending, 12'288U);
  EXPECT_EQ(report.given_back, 4096U);
  ASSERT_THAT(report.holders, SizeIs(1));
  EXPECT_THAT(report.holders[0], testing::HasSubstr("process " + std::to_string(::getpid())));
  fd.reset();
  report = ledger.report();
  EXPECT_EQ(report.pending, 0U);
  EXPECT_EQ(report.given_back, 16'384U);
  EXPECT_THAT(report.holders, IsEmpty());
}

TEST(RemovalLedgerOfAMount, FailuresStayUntilTheyAreMendedAndRefusalsAreTheLastOnes) {
  RemovalLedger ledger;
  ledger.failed("model/a", "Input/output error");
  ledger.failed("model/b", "busy");
  ledger.done("model/b");
  EXPECT_THAT(ledger.report().failed, ElementsAre(RemovalLedger::Note{"model/a", "Input/output error"}));
  for (int i = 0; i < 40; ++i) ledger.refused("x" + std::to_string(i), "why");
  const auto refused = ledger.report().refused;
  EXPECT_THAT(refused, SizeIs(16));
  EXPECT_EQ(refused.back().what, "x39");
}

}  // namespace
}  // namespace hubfs
