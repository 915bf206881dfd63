// SPDX-License-Identifier: Apache-2.0
#include "core/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace hubfs {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int open_something() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesAtTheEnd) {
  int number = -1;
  {
    const UniqueFd fd(open_something());
    number = fd.get();
    EXPECT_TRUE(fd);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, MovesAndReleases) {
  UniqueFd a(open_something());
  const int first = a.get();
  UniqueFd b(std::move(a));
  EXPECT_EQ(b.get(), first);
  UniqueFd c(open_something());
  const int second = c.get();
  c = std::move(b);
  EXPECT_EQ(c.get(), first);
  EXPECT_FALSE(is_open(second));
  const int released = c.release();
  EXPECT_FALSE(c);
  EXPECT_TRUE(is_open(released));
  ::close(released);
}

TEST(UniqueFd, EmptyIsFalse) { EXPECT_FALSE(UniqueFd()); }

}  // namespace
}  // namespace hubfs
