// SPDX-License-Identifier: Apache-2.0
#include "core/cache/trash.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/cache/layout.h"
#include "core/cache/removal.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::repo_key;
using test::TempCache;

TEST(Trash, WhatACrashLeftIsSweptAndDeleted) {
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const XetHash hash = cache.add_shared_file(key, commit_of('a'), "f", "payload");
  cache.add_file(key, commit_of('a'), "g", "x");
  const auto plan = plan_repo_removal(cache.root(), key);
  ASSERT_TRUE(plan && apply_detach(cache.root(), *plan));
  const std::string trash = cache.root().state_path() + "/trash";
  std::ofstream(trash + "/stray") << "x";
  empty_trash(cache.root());
  EXPECT_TRUE(std::filesystem::is_empty(trash));
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
  empty_trash(cache.root());
}

TEST(Trash, EmptyingWithoutTrashMakesNone) {
  TempCache cache;
  empty_trash(cache.root());
  EXPECT_TRUE(std::filesystem::is_empty(cache.root().state_path()));
}

TEST(Trash, SharedAsTheStateIs) {
  TempCache cache;
  cache.chmod("", 0775);
  ASSERT_TRUE(open_trash(cache.root()));
  struct stat st{};
  ASSERT_EQ(::stat((cache.root().state_path() + "/trash").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0775U);
}

TEST(Trash, LinkedTrashIsNotEntered) {
  TempCache cache;
  std::filesystem::create_directory(cache.dir() + "/victim");
  std::ofstream(cache.dir() + "/victim/file") << "x";
  std::filesystem::create_symlink(cache.dir() + "/victim", cache.root().state_path() + "/trash");
  EXPECT_FALSE(open_trash(cache.root()));
  empty_trash(cache.root());
  EXPECT_TRUE(std::filesystem::exists(cache.dir() + "/victim/file"));
}

}  // namespace
}  // namespace hubfs
