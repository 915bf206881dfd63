// SPDX-License-Identifier: Apache-2.0
#include "fs/errno_map.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace hubfs {
namespace {

// As docs/semantics.md says it.
constexpr std::pair<ErrorKind, int> kTable[] = {
    {ErrorKind::kNotFound, ENOENT},   {ErrorKind::kAccessDenied, EACCES},    {ErrorKind::kUnreachable, ENETUNREACH},
    {ErrorKind::kTimeout, ETIMEDOUT}, {ErrorKind::kBadContent, EIO},         {ErrorKind::kNoSpace, ENOSPC},
    {ErrorKind::kBusy, EBUSY},        {ErrorKind::kPinned, EPERM},           {ErrorKind::kNotEmpty, ENOTEMPTY},
    {ErrorKind::kReadOnly, EROFS},    {ErrorKind::kExists, EEXIST},          {ErrorKind::kStale, ESTALE},
    {ErrorKind::kInvalid, EINVAL},    {ErrorKind::kUnsupported, EOPNOTSUPP}, {ErrorKind::kInterrupted, EINTR},
};

TEST(ErrnoMap, EveryKindHasItsErrnoWhateverTheSystemSaid) {
  std::set<ErrorKind> kinds;
  for (const auto& [kind, number] : kTable) {
    EXPECT_EQ(errno_of({kind, "words", 0}), number) << static_cast<int>(kind);
    EXPECT_EQ(errno_of({kind, "words", ENFILE}), number) << static_cast<int>(kind);
    kinds.insert(kind);
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(ErrorKind::kSystem)) << "a kind is missing in the table";
}

TEST(ErrnoMap, FailedSystemCallKeepsItsOwn) {
  EXPECT_EQ(errno_of({ErrorKind::kSystem, "words", ENAMETOOLONG}), ENAMETOOLONG);
  EXPECT_EQ(errno_of({ErrorKind::kSystem, "words", 0}), EIO);
  EXPECT_EQ(errno_of(fail_errno("open", ELOOP).error()), ELOOP);
  EXPECT_EQ(errno_of(fail_errno("open", EPERM).error()), EACCES);
  EXPECT_EQ(errno_of(fail_errno("write", EDQUOT).error()), ENOSPC);
}

}  // namespace
}  // namespace hubfs
