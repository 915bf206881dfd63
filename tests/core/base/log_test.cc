// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "tests/core/base/temp_dir.h"

namespace hubfs {
namespace {

TEST(Log, WritesLinesOfEnoughWeightToAPrivateFile) {
  const test::TempDir dir;
  const std::string path = dir.path() + "/log";
  log::to_file(path, log::Level::kInfo);
  log::debug("not this");
  log::info("but {this}");
  log::to_stderr(log::Level::kError);
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(text.find("not this"), std::string::npos);
  // Braces are text, never a format.
  EXPECT_NE(text.find("but {this}"), std::string::npos);
  struct stat st{};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
}

TEST(Log, ALineEndInANameMakesNoLine) {
  const test::TempDir dir;
  const std::string path = dir.path() + "/log";
  log::to_file(path, log::Level::kInfo);
  log::info("name\n2026 error hubfs: forged\x1b[2J");
  log::to_stderr(log::Level::kError);
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Log, FallsBackToStderr) {
  log::to_file("/nonexistent/folder/log", log::Level::kError);
  log::error("still heard");
  log::to_stderr(log::Level::kError);
}

}  // namespace
}  // namespace hubfs
