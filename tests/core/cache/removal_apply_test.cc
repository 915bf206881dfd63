// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "core/cache/blob_lock.h"
#include "core/cache/layout.h"
#include "core/cache/listing_file.h"
#include "core/cache/partial_file.h"
#include "core/cache/removal.h"
#include "core/cache/repo_scan.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::ref_name;
using test::rel_path;
using test::repo_key;
using test::TempCache;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kFolder = "models--org--name";

class Apply : public testing::Test {
 protected:
  void SetUp() override {
    both = cache.add_file(key, a, "same.bin", "in both revisions");
    cache.add_file(key, b, "same.bin", "in both revisions");
    only_a = cache.add_file(key, a, "sub/a.bin", "aaa", true);
    only_b = cache.add_file(key, b, "b.bin", "bb");
    cache.set_ref(key, "main", b);
    cache.set_ref(key, "v1/x", a);
  }
  void remove_commit(const CommitHash& commit) {
    const auto plan = plan_commit_removal(cache.root(), key, commit);
    ASSERT_TRUE(plan);
    const Status done = apply_removal(cache.root(), *plan);
    ASSERT_TRUE(done) << done.error().message;
  }
  void remove_file(const std::vector<CommitHash>& commits, const char* path) {
    const auto plan = plan_file_removal(cache.root(), key, commits, rel_path(path));
    ASSERT_TRUE(plan);
    const Status done = apply_removal(cache.root(), *plan);
    ASSERT_TRUE(done) << done.error().message;
  }
  void remove_repo() {
    const auto plan = plan_repo_removal(cache.root(), key);
    ASSERT_TRUE(plan);
    const Status done = apply_removal(cache.root(), *plan);
    ASSERT_TRUE(done) << done.error().message;
  }
  bool has_blob(const std::optional<BlobId>& etag) { return cache.exists(layout::blob(key, *etag)); }
  std::size_t names_in_trash() {
    const std::string trash = cache.root().state_path() + "/trash";
    if (!std::filesystem::exists(trash)) return 0;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(trash), {}));
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  std::optional<BlobId> both;
  std::optional<BlobId> only_a;
  std::optional<BlobId> only_b;
};

TEST_F(Apply, CommitGoesWithWhatOnlyItNeeds) {
  cache.write(layout::listing(key, a), "{}");
  cache.write(layout::listing(key, b), "{}");
  cache.write(layout::no_exist_dir(key, a) + "/sub/adapter.json", "");
  cache.write(layout::no_exist_dir(key, b) + "/adapter.json", "");
  remove_commit(a);
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a)));
  EXPECT_FALSE(cache.exists(kFolder + "/refs/v1"));
  EXPECT_FALSE(cache.exists(layout::listing(key, a)));
  EXPECT_FALSE(cache.exists(layout::no_exist_dir(key, a)));
  EXPECT_FALSE(has_blob(only_a));
  EXPECT_TRUE(has_blob(both));
  EXPECT_TRUE(has_blob(only_b));
  EXPECT_TRUE(cache.exists(layout::listing(key, b)));
  EXPECT_TRUE(cache.exists(layout::no_exist_dir(key, b) + "/adapter.json"));
  EXPECT_EQ(cache.read(kFolder + "/refs/main"), b.text());
  EXPECT_EQ(cache.read(layout::snapshot_entry(key, b, rel_path("same.bin"))), "in both revisions");
  // Locks are never touched.
  EXPECT_TRUE(cache.exists(layout::blob_lock(key, *only_a)));
  EXPECT_EQ(names_in_trash(), 0U);
}

TEST_F(Apply, EveryRefToTheCommitGoesWhateverItsName) {
  const auto plan = plan_commit_removal(cache.root(), key, a);
  ASSERT_TRUE(plan);
  // After the plan, and with names that are none for us.
  cache.set_ref(key, "late", a);
  cache.write(kFolder + "/refs/" + std::string(40, 'c'), a.text());
  cache.write(kFolder + "/refs/new\nline", a.text() + "\n");
  cache.write(kFolder + "/refs/old.01234567.tmp", a.text());
  cache.write(kFolder + "/refs/new.01234567.tmp", a.text());
  const timespec long_ago[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (cache.path() + "/" + kFolder + "/refs/old.01234567.tmp").c_str(), long_ago, 0), 0);
  ASSERT_TRUE(apply_removal(cache.root(), *plan));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(cache.path() + "/" + kFolder + "/refs")) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, testing::UnorderedElementsAre("main", "new.01234567.tmp"));
}

TEST_F(Apply, AliasesOfTheSnapshotGoSoThatNothingDangles) {
  cache.link(kFolder + "/snapshots/alias", a.text());
  cache.link(kFolder + "/snapshots/other", b.text());
  remove_commit(a);
  EXPECT_FALSE(cache.exists(kFolder + "/snapshots/alias"));
  EXPECT_TRUE(cache.exists(kFolder + "/snapshots/other"));
  EXPECT_FALSE(has_blob(only_a));
}

TEST_F(Apply, BlobThatCameIntoUseAfterThePlanStays) {
  const auto plan = plan_commit_removal(cache.root(), key, a);
  ASSERT_TRUE(plan);
  cache.add_file(key, b, "again.bin", "aaa", true);
  ASSERT_TRUE(apply_removal(cache.root(), *plan));
  EXPECT_TRUE(has_blob(only_a));
  EXPECT_EQ(cache.read(layout::snapshot_entry(key, b, rel_path("again.bin"))), "aaa");
}

TEST_F(Apply, BlobWhoseLockIsHeldStays) {
  const auto plan = plan_commit_removal(cache.root(), key, a);
  ASSERT_TRUE(plan);
  const auto lock = BlobLock::try_acquire(cache.root(), key, *only_a);
  ASSERT_TRUE(lock && *lock);
  ASSERT_TRUE(apply_removal(cache.root(), *plan));
  EXPECT_TRUE(has_blob(only_a));
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a)));
}

TEST_F(Apply, ManyBlobsInOneCommit) {
  for (int i = 0; i < 150; ++i) cache.add_file(key, a, "many/" + std::to_string(i), "content " + std::to_string(i));
  remove_commit(a);
  std::size_t blobs = 0;
  for (const std::string& name : cache.names())
    blobs += name.starts_with(kFolder + "/blobs/") && !name.ends_with("/") ? 1 : 0;
  EXPECT_EQ(blobs, 2U);
}

TEST_F(Apply, FileGoesAndItsFolderStays) {
  remove_file({a, b}, "same.bin");
  EXPECT_FALSE(cache.exists(layout::snapshot_entry(key, a, rel_path("same.bin"))));
  EXPECT_FALSE(cache.exists(layout::snapshot_entry(key, b, rel_path("same.bin"))));
  EXPECT_FALSE(has_blob(both));
  remove_file({a}, "sub/a.bin");
  EXPECT_TRUE(cache.exists(layout::snapshot(key, a)));
  EXPECT_FALSE(has_blob(only_a));
  EXPECT_EQ(scan_repo(cache.root(), key)->refs.size(), 2U);
}

TEST_F(Apply, FileOfOneRevisionLeavesTheOthers) {
  remove_file({a}, "same.bin");
  EXPECT_TRUE(has_blob(both));
  EXPECT_EQ(cache.read(layout::snapshot_entry(key, b, rel_path("same.bin"))), "in both revisions");
}

TEST_F(Apply, RealFileGoes) {
  cache.write(layout::snapshot_entry(key, a, rel_path("real")), "x");
  remove_file({a}, "real");
  EXPECT_FALSE(cache.exists(layout::snapshot_entry(key, a, rel_path("real"))));
}

TEST_F(Apply, PayloadGoesWithItsLastReference) {
  const RepoKey other = repo_key("model/org/other");
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  cache.add_shared_file(other, a, "shared.bin", "payload");
  remove_commit(a);
  EXPECT_EQ(cache.read(layout::payload(hash)), "payload");
  EXPECT_EQ(cache.read(layout::payload_manifest(hash)),
            layout::blob(other, blob_id(test::sha256_of("payload"))) + "\n");
  const auto plan = plan_repo_removal(cache.root(), other);
  ASSERT_TRUE(plan && apply_removal(cache.root(), *plan));
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
  EXPECT_FALSE(cache.exists(layout::payload_manifest(hash)));
  EXPECT_TRUE(cache.exists(layout::payload_lock(hash)));
}

TEST_F(Apply, NothingOutsideIsEverTouched) {
  const std::string outside = cache.dir() + "/outside";
  std::filesystem::create_directories(outside + "/folder");
  std::filesystem::copy_file(cache.path() + "/CACHEDIR.TAG", outside + "/file");
  std::filesystem::copy_file(cache.path() + "/CACHEDIR.TAG", outside + "/folder/file");
  cache.link(layout::snapshot_entry(key, a, rel_path("out")), outside + "/file");
  cache.link(layout::snapshot_entry(key, a, rel_path("out-folder")), outside + "/folder");
  cache.link(layout::blob(key, blob_id("out")), outside + "/file");
  cache.link(layout::snapshot_entry(key, a, rel_path("by-blob")), "../../blobs/out");
  cache.link(layout::no_exist_dir(key, a), outside + "/folder");
  cache.link(layout::listing(key, a), outside + "/file");
  remove_commit(a);
  EXPECT_FALSE(cache.exists(layout::blob(key, blob_id("out"))));
  cache.link(kFolder + "/loose", outside);
  remove_repo();
  EXPECT_FALSE(cache.exists(kFolder));
  EXPECT_TRUE(std::filesystem::exists(outside + "/file"));
  EXPECT_TRUE(std::filesystem::exists(outside + "/folder/file"));
}

TEST_F(Apply, WholeRepoGoesAtOnceAndItsSpaceLater) {
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  ASSERT_TRUE(write_private_listing(cache.root(), key, commit_of('c'), {}));
  auto partial = PartialFile::open(cache.root(), key, blob_id("p"), {a, rel_path("p"), std::nullopt, 10});
  ASSERT_TRUE(partial && partial->record({0, 5}) && partial->flush_journal());
  const auto plan = plan_repo_removal(cache.root(), key);
  ASSERT_TRUE(plan);
  const auto ticket = apply_detach(cache.root(), *plan);
  ASSERT_TRUE(ticket);
  EXPECT_FALSE(cache.exists(kFolder));
  EXPECT_TRUE(list_partials(cache.root(), key).empty());
  EXPECT_FALSE(read_private_listing(cache.root(), key, commit_of('c')));
  EXPECT_EQ(names_in_trash(), 3U);
  EXPECT_TRUE(cache.exists(layout::payload(hash)));
  ASSERT_TRUE(finish_detach(cache.root(), *ticket));
  EXPECT_EQ(names_in_trash(), 0U);
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
  EXPECT_TRUE(cache.exists(layout::blob_lock(key, *only_a)));
}

TEST_F(Apply, RepoThatComesBackInBetweenIsKept) {
  const auto plan = plan_repo_removal(cache.root(), key);
  ASSERT_TRUE(plan);
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  const auto ticket = apply_detach(cache.root(), *plan);
  ASSERT_TRUE(ticket);
  cache.add_shared_file(key, b, "shared.bin", "payload");
  ASSERT_TRUE(finish_detach(cache.root(), *ticket));
  EXPECT_EQ(cache.read(layout::snapshot_entry(key, b, rel_path("shared.bin"))), "payload");
  EXPECT_TRUE(cache.exists(layout::payload(hash)));
}

TEST_F(Apply, OpenFilesStayReadable) {
  const auto fd = open_blob(cache.root(), key, *only_a);
  ASSERT_TRUE(fd);
  remove_repo();
  std::array<char, 3> text{};
  EXPECT_EQ(::pread(fd->get(), text.data(), text.size(), 0), 3);
}

TEST_F(Apply, RepoThatCannotBeRenamedIsDeletedInPlace) {
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  // A trash that is none, as a rename across a layer of an overlay would fail.
  std::filesystem::create_symlink("nowhere", cache.root().state_path() + "/trash");
  remove_repo();
  EXPECT_FALSE(cache.exists(kFolder));
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
}

// As in a container whose image brings a model: folders of a lower layer cannot be renamed.
TEST_F(Apply, RepoInALowerLayerOfAnOverlay) {
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", "payload");
  const std::string merged = cache.dir() + "/merged";
  const std::string scratch = cache.dir() + "/scratch";
  std::filesystem::create_directory(merged);
  std::filesystem::create_directory(scratch);
  const auto mounted = [&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    if (::mount("tmpfs", scratch.c_str(), "tmpfs", 0, nullptr) != 0) return false;
    std::filesystem::create_directory(scratch + "/upper");
    std::filesystem::create_directory(scratch + "/work");
    const std::string options =
        "lowerdir=" + cache.path() + ",upperdir=" + scratch + "/upper,workdir=" + scratch + "/work,redirect_dir=off";
    return ::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0;
  };
  if (!test::in_child(mounted)) GTEST_SKIP() << "needs an overlay mount in a namespace of its own";
  EXPECT_TRUE(test::in_child([&] {
    if (!mounted()) return false;
    const auto root = CacheRoot::open(merged, false);
    const auto plan = root ? plan_repo_removal(**root, key) : std::unexpected(root.error());
    if (!plan || !apply_removal(**root, *plan)) return false;
    return !std::filesystem::exists(merged + "/" + kFolder) &&
           !std::filesystem::exists(merged + "/" + layout::payload(hash));
  }));
  EXPECT_TRUE(cache.exists(kFolder));
}

TEST_F(Apply, CommitWithoutTrashIsDeletedInPlace) {
  std::filesystem::create_symlink("nowhere", cache.root().state_path() + "/trash");
  remove_commit(a);
  EXPECT_FALSE(cache.exists(layout::snapshot(key, a)));
  EXPECT_FALSE(has_blob(only_a));
}

TEST_F(Apply, DetachTakesOnlyWholeReposThatExist) {
  const auto commit = plan_commit_removal(cache.root(), key, a);
  EXPECT_EQ(apply_detach(cache.root(), *commit).error().kind, ErrorKind::kInvalid);
  const auto whole = plan_repo_removal(cache.root(), key);
  cache.remove(kFolder);
  EXPECT_EQ(apply_detach(cache.root(), *whole).error().kind, ErrorKind::kNotFound);
}

TEST_F(Apply, DoneTwiceIsDoneOnce) {
  const auto plan = plan_commit_removal(cache.root(), key, a);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(apply_removal(cache.root(), *plan));
  EXPECT_TRUE(apply_removal(cache.root(), *plan));
}

TEST_F(Apply, RefThatCannotGoKeepsItsSnapshot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs two users";
  const auto plan = plan_commit_removal(cache.root(), key, a);
  ASSERT_TRUE(plan);
  static_cast<void>(cache.root());
  for (const char* folder : {"", "/blobs", "/snapshots"}) cache.chmod(kFolder + folder, 0777);
  EXPECT_TRUE(test::as_ordinary_user([&] { return !apply_removal(cache.root(), *plan); }));
  EXPECT_TRUE(cache.exists(layout::snapshot(key, a)));
  EXPECT_TRUE(has_blob(only_a));
}

}  // namespace
}  // namespace hubfs
