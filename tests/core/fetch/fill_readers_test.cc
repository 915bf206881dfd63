// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_readers.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/fetch_target.h"

namespace hubfs {
namespace {

class Readers : public testing::Test {
 protected:
  Readers() { file.set_descriptor(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), {}); }
  FillReaders::Done note(const std::string& name) {
    return [this, name](const Status& status) { said += name + (status ? "+" : "-") + " "; };
  }
  FetchFile file{test::fetch_target(1000)};
  FillReaders readers;
  std::string said;
};

TEST_F(Readers, AreAnsweredWhenTheirBytesAreHere) {
  readers.add_reader(1, {0, 100}, note("a"));
  readers.add_reader(2, {50, 200}, note("b"));
  file.add_present({0, 100});
  readers.answer_ready(file);
  EXPECT_EQ(said, "a+ ");
  file.add_present({100, 200});
  readers.answer_ready(file);
  EXPECT_EQ(said, "a+ b+ ");
  EXPECT_FALSE(readers.any());
}

TEST_F(Readers, AtTheEndWhoHasHisBytesGetsThem) {
  readers.add_open(1, note("open"));
  readers.add_reader(2, {0, 10}, note("here"));
  readers.add_reader(3, {10, 20}, note("not"));
  readers.add_whole(4, note("whole"));
  file.add_present({0, 10});
  readers.answer_all(file, fail(ErrorKind::kTimeout, "late"));
  EXPECT_EQ(said, "open- here+ not- whole- ");
}

TEST_F(Readers, ACancelledWaitIsNeverAnswered) {
  readers.add_open(1, note("open"));
  readers.add_reader(2, {0, 10}, note("reader"));
  readers.add_whole(3, note("whole"));
  EXPECT_EQ(readers.cancel(1), FillReaders::Kind::kOpen);
  EXPECT_EQ(readers.cancel(2), FillReaders::Kind::kReader);
  EXPECT_EQ(readers.cancel(3), FillReaders::Kind::kWhole);
  EXPECT_EQ(readers.cancel(3), FillReaders::Kind::kNone);
  readers.answer_all(file, {});
  EXPECT_EQ(said, "");
}

TEST_F(Readers, ACallbackMayWaitAnew) {
  readers.add_reader(1, {0, 10}, [this](const Status&) { readers.add_reader(2, {10, 20}, note("again")); });
  file.add_present({0, 10});
  readers.answer_ready(file);
  EXPECT_EQ(said, "");
  EXPECT_EQ(readers.readers().size(), 1U);
  file.add_present({10, 20});
  readers.answer_ready(file);
  EXPECT_EQ(said, "again+ ");
}

}  // namespace
}  // namespace hubfs
