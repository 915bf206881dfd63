// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fetch_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/support/fetch_target.h"

namespace hubfs {
namespace {

UniqueFd any_descriptor() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(FetchFile, HasWhatHasArrived) {
  FetchFile file(test::fetch_target(100));
  EXPECT_FALSE(file.has({0, 1})) << "nothing was opened";
  file.set_descriptor(any_descriptor(), {});
  file.add_present({10, 20});
  EXPECT_TRUE(file.has({12, 18}));
  EXPECT_FALSE(file.has({15, 25}));
  EXPECT_TRUE(file.begin_read({12, 18}));
  EXPECT_FALSE(file.begin_read({0, 5}));
}

TEST(FetchFile, TheLastBytesWaitForTheHash) {
  FetchFile file(test::fetch_target(100));
  file.set_descriptor(any_descriptor(), {});
  file.add_present({50, 100});
  EXPECT_TRUE(file.has({90, 100})) << "while other parts are missing";
  file.add_present({0, 50});
  EXPECT_TRUE(file.has({0, 99}));
  EXPECT_FALSE(file.has({90, 100}));
  file.set_verified();
  EXPECT_TRUE(file.has({90, 100}));
}

TEST(FetchFile, HeldBackNothingIsReadBeforeTheHash) {
  FetchFile file(test::fetch_target(100), true);
  file.set_descriptor(any_descriptor(), {});
  file.add_present({0, 100});
  EXPECT_FALSE(file.begin_read({0, 1}));
  file.set_verified();
  EXPECT_TRUE(file.begin_read({0, 1}));
}

TEST(FetchFile, StartsOverOnlyWhileNobodyHasSeenBytes) {
  FetchFile file(test::fetch_target(100));
  file.set_descriptor(any_descriptor(), {});
  file.add_present({0, 100});
  EXPECT_TRUE(file.start_over());
  EXPECT_EQ(file.present_bytes(), 0U);
  file.add_present({0, 10});
  ASSERT_TRUE(file.begin_read({0, 10}));
  EXPECT_FALSE(file.start_over());
  EXPECT_EQ(file.present_bytes(), 10U);
}

TEST(FetchFile, TellsOnePartialFromTheNext) {
  FetchFile file(test::fetch_target(100));
  EXPECT_EQ(file.partial(), 0U);
  char name[] = "/tmp/hubfs-test-XXXXXX";
  const auto fresh = [&] {
    std::strcpy(name + sizeof name - 7, "XXXXXX");
    return UniqueFd(::mkstemp(name));
  };
  const UniqueFd first = fresh();
  file.set_descriptor(UniqueFd(::dup(first.get())), {});
  const std::uint64_t before = file.partial();
  EXPECT_NE(before, 0U);
  file.set_descriptor(UniqueFd(::open(name, O_RDONLY | O_CLOEXEC)), {});
  EXPECT_EQ(file.partial(), before);
  ::unlink(name);
  file.set_descriptor(fresh(), {});
  EXPECT_NE(file.partial(), before);
  ::unlink(name);
}

TEST(FetchFile, WholeOnceTheHashWasRight) {
  FetchFile file(test::fetch_target(100));
  EXPECT_FALSE(file.whole());
  file.set_descriptor(any_descriptor(), {});
  file.add_present({0, 100});
  EXPECT_FALSE(file.whole()) << "nobody knows yet whether they are right";
  file.set_verified();
  EXPECT_TRUE(file.whole());
  file.set_tainted();
  EXPECT_FALSE(file.whole());
  FetchFile adopted(test::fetch_target(100));
  adopted.set_complete(any_descriptor());
  EXPECT_TRUE(adopted.whole());
}

TEST(FetchFile, TaintedNobodyReadsOn) {
  FetchFile file(test::fetch_target(100));
  file.set_descriptor(any_descriptor(), {});
  file.add_present({0, 100});
  file.set_tainted();
  EXPECT_FALSE(file.begin_read({0, 10}));
}

TEST(FetchFile, RemovedWhatIsHereStaysReadable) {
  FetchFile file(test::fetch_target(100));
  file.set_descriptor(any_descriptor(), {});
  file.add_present({0, 50});
  file.set_removed();
  EXPECT_TRUE(file.begin_read({0, 50}));
  EXPECT_FALSE(file.begin_read({50, 60}));
  EXPECT_EQ(file.phase(), FetchFile::Phase::kRemoved);
}

}  // namespace
}  // namespace hubfs
