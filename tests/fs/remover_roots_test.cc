// SPDX-License-Identifier: Apache-2.0
//
// Removals from a repo that is in two cache roots: from both or from none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/cache/blob_lock.h"
#include "core/cache/layout.h"
#include "tests/fs/remover_fixture.h"

namespace hubfs {
namespace {

using test::TempCache;

constexpr uid_t kUser = 12'345;
const Caller kCaller{kUser, {kUser}};
const std::string kModel = "models/llama/Llama-3";

class RemoverOfTwoRoots : public test::RemoverFixture {
 protected:
  void SetUp() override {
    for (TempCache* each : {&cache, &second}) {
      each->add_file(key, a, "both.bin", "both");
      each->add_file(key, a, "sub/deep.bin", "deep");
      each->add_file(key, b, "both.bin", "both");
      each->set_ref(key, "main", a);
    }
  }
  void start_both() { start({&cache, &second}); }
  // Lets the caller do everything in a cache.
  static void open_to_all(const TempCache& where) {
    std::filesystem::permissions(where.path(), std::filesystem::perms::all);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(where.path())) {
      if (entry.is_directory() && !entry.is_symlink()) std::filesystem::permissions(entry, std::filesystem::perms::all);
    }
  }
  void expect_refused_as_a_whole(const std::function<Status()>& removal, ErrorKind kind) {
    const auto first = cache.names();
    const auto other = second.names();
    EXPECT_EQ(kind_of(removal()), kind);
    EXPECT_EQ(cache.names(), first);
    EXPECT_EQ(second.names(), other);
  }
  TempCache second;
};

TEST_F(RemoverOfTwoRoots, GoesFromBoth) {
  start_both();
  EXPECT_TRUE(unlink(kModel + "/both.bin"));
  for (const TempCache* each : {&cache, &second}) {
    EXPECT_FALSE(each->exists(layout::snapshot(key, a) + "/both.bin"));
    EXPECT_FALSE(each->exists(layout::snapshot(key, b) + "/both.bin"));
  }
  EXPECT_TRUE(rmdir("hub/org/Llama-3@main"));
  for (const TempCache* each : {&cache, &second}) {
    EXPECT_FALSE(each->exists(layout::snapshot(key, a)));
    EXPECT_TRUE(each->exists(layout::snapshot(key, b)));
  }
  EXPECT_TRUE(rmdir(kModel));
  for (const TempCache* each : {&cache, &second}) EXPECT_FALSE(each->exists(layout::repo_folder(key)));
}

TEST_F(RemoverOfTwoRoots, FileOfOnlyTheSecondGoesFromThere) {
  second.add_file(key, a, "there.bin", "there");
  start_both();
  EXPECT_TRUE(unlink(kModel + "/there.bin"));
  EXPECT_FALSE(second.exists(layout::snapshot(key, a) + "/there.bin"));
}

TEST_F(RemoverOfTwoRoots, RefusedInTheSecondChangesNothingInTheFirst) {
  open_to_all(cache);
  start_both();
  for (const std::string& path : {kModel, std::string("hub/org/Llama-3@main")}) {
    expect_refused_as_a_whole([&] { return rmdir(path, kCaller); }, ErrorKind::kAccessDenied);
  }
  expect_refused_as_a_whole([&] { return unlink(kModel + "/both.bin", kCaller); }, ErrorKind::kAccessDenied);
  EXPECT_TRUE(find(kModel + "/both.bin"));
}

TEST_F(RemoverOfTwoRoots, RefusedInTheFirstChangesNothingInTheSecond) {
  open_to_all(second);
  start_both();
  expect_refused_as_a_whole([&] { return rmdir(kModel, kCaller); }, ErrorKind::kAccessDenied);
  expect_refused_as_a_whole([&] { return unlink(kModel + "/both.bin", kCaller); }, ErrorKind::kAccessDenied);
}

TEST_F(RemoverOfTwoRoots, AllowedInBothIsDone) {
  open_to_all(cache);
  open_to_all(second);
  start_both();
  EXPECT_TRUE(unlink(kModel + "/both.bin", kCaller));
  EXPECT_TRUE(rmdir(kModel, kCaller));
  for (const TempCache* each : {&cache, &second}) EXPECT_FALSE(each->exists(layout::repo_folder(key)));
}

TEST_F(RemoverOfTwoRoots, DownloadOfAnotherProgramInTheSecondRefusesBoth) {
  start_both();
  const auto etag = find(kModel + "/both.bin")->file->etag;
  const auto root = *CacheRoot::open(second.path(), false);
  const auto held = BlobLock::try_acquire(*root, key, *etag);
  ASSERT_TRUE(held && *held);
  expect_refused_as_a_whole([&] { return rmdir(kModel); }, ErrorKind::kBusy);
  expect_refused_as_a_whole([&] { return unlink(kModel + "/both.bin"); }, ErrorKind::kBusy);
}

TEST_F(RemoverOfTwoRoots, EmptyFolderRefusedInTheSecondStaysInTheFirst) {
  open_to_all(cache);
  start_both();
  for (TempCache* each : {&cache, &second}) each->remove(layout::snapshot(key, a) + "/sub/deep.bin");
  trees().drop(key);
  expect_refused_as_a_whole([&] { return rmdir(kModel + "/sub", kCaller); }, ErrorKind::kAccessDenied);
  EXPECT_TRUE(find(kModel + "/sub"));
}

TEST_F(RemoverOfTwoRoots, EmptyFolderRefusedInOneCommitStaysInTheOther) {
  cache.add_file(key, b, "sub/deep.bin", "deep");
  open_to_all(cache);
  open_to_all(second);
  cache.chmod(layout::snapshot(key, b), 0755);
  start_both();
  for (const CommitHash& commit : {a, b}) cache.remove(layout::snapshot(key, commit) + "/sub/deep.bin");
  second.remove(layout::snapshot(key, a) + "/sub/deep.bin");
  trees().drop(key);
  expect_refused_as_a_whole([&] { return rmdir(kModel + "/sub", kCaller); }, ErrorKind::kAccessDenied);
}

// A root that does not have the folder has no say.
TEST_F(RemoverOfTwoRoots, EmptyFolderOfOnlyTheFirstGoes) {
  open_to_all(cache);
  second.remove(layout::snapshot(key, a) + "/sub");
  start_both();
  cache.remove(layout::snapshot(key, a) + "/sub/deep.bin");
  trees().drop(key);
  EXPECT_TRUE(rmdir(kModel + "/sub", kCaller));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a) + "/sub"));
  EXPECT_FALSE(find(kModel + "/sub"));
}

}  // namespace
}  // namespace hubfs
