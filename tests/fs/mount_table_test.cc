// SPDX-License-Identifier: Apache-2.0
#include "fs/mount_table.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hubfs {
namespace {

TEST(MountTable, HasTheRootAndProc) {
  const auto all = mount_table();
  const auto proc = std::find_if(all.begin(), all.end(), [](const MountEntry& entry) { return entry.point == "/proc"; });
  ASSERT_NE(proc, all.end());
  EXPECT_EQ(proc->type, "proc");
  EXPECT_GT(proc->id, 0);
  EXPECT_NE(proc->device.find(':'), std::string::npos);
}

TEST(MountTable, FindsTheTopmostAndWhatIsBelow) {
  ASSERT_TRUE(top_mount("/proc"));
  EXPECT_EQ(top_mount("/proc")->point, "/proc");
  EXPECT_FALSE(top_mount("/no such mount"));
  EXPECT_TRUE(has_mount_below(""));
  EXPECT_FALSE(has_mount_below("/pro")) << "a name that merely begins so";
}

}  // namespace
}  // namespace hubfs
