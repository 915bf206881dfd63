// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

namespace hubfs {
namespace {

TEST(Error, ErrnoBecomesTheDomainsWord) {
  const std::pair<int, ErrorKind> table[] = {
      {ENOENT, ErrorKind::kNotFound},    {EACCES, ErrorKind::kAccessDenied}, {EPERM, ErrorKind::kAccessDenied},
      {EROFS, ErrorKind::kReadOnly}, {ENOSPC, ErrorKind::kNoSpace},      {EDQUOT, ErrorKind::kNoSpace},
      {EBUSY, ErrorKind::kBusy},         {ENOTEMPTY, ErrorKind::kNotEmpty},  {EEXIST, ErrorKind::kExists},
      {EIO, ErrorKind::kSystem},         {EXDEV, ErrorKind::kSystem},
  };
  for (const auto& [err, kind] : table) {
    const Status status = fail_errno("open it", err);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, kind) << err;
    EXPECT_EQ(status.error().sys_errno, err);
    EXPECT_TRUE(status.error().message.starts_with("open it: ")) << status.error().message;
  }
}

TEST(Error, ReadsErrnoItself) {
  errno = ENOENT;
  const Result<int> result = fail_errno("x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kNotFound);
}

TEST(Error, FailKeepsWords) {
  const Status status = fail(ErrorKind::kPinned, "it is pinned");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kPinned);
  EXPECT_EQ(status.error().message, "it is pinned");
  EXPECT_EQ(status.error().sys_errno, 0);
}

}  // namespace
}  // namespace hubfs
