// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cache/blob_lock.h"
#include "core/cache/layout.h"
#include "core/cache/listing_file.h"
#include "core/cache/removal.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::rel_path;
using test::repo_key;
using test::TempCache;

const std::string kFolder = "models--org--name";
constexpr uid_t kStranger = 4711;
constexpr gid_t kGroup = 4712;

class Check : public testing::Test {
 protected:
  void SetUp() override {
    etag = cache.add_file(key, a, "f", "a's file");
    cache.add_file(key, b, "f", "b's file");
    cache.set_ref(key, "v1/x", a);
  }
  ErrorKind verdict(const Result<RemovalPlan>& plan, const Caller& caller) {
    EXPECT_TRUE(plan);
    const Status allowed = check_removal(cache.root(), *plan, caller);
    return allowed ? kAllowed : allowed.error().kind;
  }
  Result<RemovalPlan> repo_plan() { return plan_repo_removal(cache.root(), key); }
  Result<RemovalPlan> commit_plan() { return plan_commit_removal(cache.root(), key, a); }
  Result<RemovalPlan> file_plan() { return plan_file_removal(cache.root(), key, {a}, rel_path("f")); }

  static constexpr auto kAllowed = static_cast<ErrorKind>(-1);
  const Caller owner{::geteuid(), {::getegid()}};
  const Caller stranger{kStranger, {kStranger}};
  const Caller colleague{kStranger, {kStranger, kGroup}};
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  std::optional<BlobId> etag;
};

TEST_F(Check, OwnerMayAndStrangerMayNot) {
  for (const auto& plan : {repo_plan(), commit_plan(), file_plan()}) {
    EXPECT_EQ(verdict(plan, owner), kAllowed);
    EXPECT_EQ(verdict(plan, Caller{0, {0}}), kAllowed);
    EXPECT_EQ(verdict(plan, stranger), ErrorKind::kAccessDenied);
  }
}

TEST_F(Check, WorldWritableRootLetsStrangersRenameRepos) {
  cache.chmod("", 0777);
  EXPECT_EQ(verdict(repo_plan(), stranger), kAllowed);
  // But a commit lies in folders of its own.
  EXPECT_EQ(verdict(commit_plan(), stranger), ErrorKind::kAccessDenied);
}

TEST_F(Check, StickyRootAsksForTheOwner) {
  cache.chmod("", 01777);
  EXPECT_EQ(verdict(repo_plan(), stranger), ErrorKind::kAccessDenied);
  EXPECT_EQ(verdict(repo_plan(), owner), kAllowed);
  if (::geteuid() != 0) return;
  cache.chown(kFolder, kStranger, kStranger);
  EXPECT_EQ(verdict(repo_plan(), stranger), kAllowed);
}

TEST_F(Check, GroupCounts) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs another group";
  cache.chown("", 0, kGroup);
  cache.chmod("", 0775);
  EXPECT_EQ(verdict(repo_plan(), colleague), kAllowed);
  EXPECT_EQ(verdict(repo_plan(), stranger), ErrorKind::kAccessDenied);
  // The group's bits count for the group even where the others' are wider.
  cache.chmod("", 0757);
  EXPECT_EQ(verdict(repo_plan(), colleague), ErrorKind::kAccessDenied);
  EXPECT_EQ(verdict(repo_plan(), stranger), kAllowed);
}

TEST_F(Check, EveryFolderOfACommitCounts) {
  const std::vector<std::string> folders{kFolder + "/refs/v1", kFolder + "/snapshots", layout::snapshot(key, a),
                                         kFolder + "/blobs"};
  for (const std::string& folder : folders) cache.chmod(folder, 0777);
  EXPECT_EQ(verdict(commit_plan(), stranger), kAllowed);
  for (const std::string& folder : folders) {
    cache.chmod(folder, 0755);
    EXPECT_EQ(verdict(commit_plan(), stranger), ErrorKind::kAccessDenied) << folder;
    cache.chmod(folder, 01777);
    // Nothing in the snapshot's own folder is removed by name.
    const bool by_name = folder != layout::snapshot(key, a);
    EXPECT_EQ(verdict(commit_plan(), stranger), by_name ? ErrorKind::kAccessDenied : kAllowed) << folder;
    cache.chmod(folder, 0777);
  }
}

TEST_F(Check, HubfsItselfMustBeAble) {
  const RemovalPlan whole = *repo_plan();
  const RemovalPlan commit = *commit_plan();
  static_cast<void>(cache.root());
  EXPECT_TRUE(test::as_ordinary_user([&] {
    if (::geteuid() == ::getuid() && ::getuid() != 0) return true;  // then the cache is our own
    const auto denied = [&](const RemovalPlan& plan) {
      const Status allowed = check_removal(cache.root(), plan, Caller{0, {0}});
      return !allowed && allowed.error().kind == ErrorKind::kAccessDenied;
    };
    return denied(whole) && denied(commit);
  }));
}

TEST_F(Check, DownloadsInProgressMakeItBusy) {
  {
    const auto lock = BlobLock::try_acquire(cache.root(), key, *etag);
    ASSERT_TRUE(lock && *lock);
    for (const auto& plan : {repo_plan(), commit_plan(), file_plan()})
      EXPECT_EQ(verdict(plan, owner), ErrorKind::kBusy);
  }
  const auto other = BlobLock::try_acquire(cache.root(), key, blob_id("new"));
  ASSERT_TRUE(other && *other);
  EXPECT_EQ(verdict(repo_plan(), owner), ErrorKind::kBusy);
  EXPECT_EQ(verdict(commit_plan(), owner), kAllowed);
  EXPECT_EQ(verdict(file_plan(), owner), kAllowed);
}

TEST_F(Check, DownloadIntoTheCommitIsKnownByItsListing) {
  ListedFile file;
  file.git_oid = std::string(40, '7');
  ASSERT_TRUE(write_listing(cache.root(), key, a, Listing{{"arriving.bin", file}}));
  const auto lock = BlobLock::try_acquire(cache.root(), key, blob_id(file.git_oid));
  ASSERT_TRUE(lock && *lock);
  EXPECT_EQ(verdict(commit_plan(), owner), ErrorKind::kBusy);
  EXPECT_EQ(verdict(plan_commit_removal(cache.root(), key, b), owner), kAllowed);
}

TEST_F(Check, NamesThatAreOnlyShownTakeTheRightsOfTheRepoOrTheRoot) {
  RemovalPlan nothing = *file_plan();
  nothing.entries.clear();
  nothing.blobs.clear();
  ASSERT_TRUE(nothing.removes_nothing());
  EXPECT_EQ(verdict(nothing, owner), kAllowed);
  EXPECT_EQ(verdict(nothing, stranger), ErrorKind::kAccessDenied);
  cache.chmod(kFolder, 0777);
  EXPECT_EQ(verdict(nothing, stranger), kAllowed);
  cache.remove(kFolder);
  EXPECT_EQ(verdict(nothing, stranger), ErrorKind::kAccessDenied);
  cache.chmod("", 0777);
  EXPECT_EQ(verdict(nothing, stranger), kAllowed);
}

TEST_F(Check, ChangesNothing) {
  static_cast<void>(cache.root());
  const auto before = cache.names();
  for (const auto& plan : {repo_plan(), commit_plan(), file_plan()}) static_cast<void>(verdict(plan, owner));
  EXPECT_EQ(cache.names(), before);
}

TEST_F(Check, WhatIsGoneAlreadyIsNoObstacle) {
  const RemovalPlan commit = *commit_plan();
  const RemovalPlan whole = *repo_plan();
  cache.remove(kFolder);
  EXPECT_TRUE(check_removal(cache.root(), commit, owner));
  EXPECT_TRUE(check_removal(cache.root(), whole, owner));
}

}  // namespace
}  // namespace hubfs
