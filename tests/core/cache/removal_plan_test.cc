// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/cache/layout.h"
#include "core/cache/removal.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::ref_name;
using test::rel_path;
using test::repo_key;
using test::TempCache;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string kFolder = "models--org--name";

class Plan : public testing::Test {
 protected:
  void SetUp() override {
    both = cache.add_file(key, a, "same.bin", "in both revisions");
    cache.add_file(key, b, "same.bin", "in both revisions");
    only_a = cache.add_file(key, a, "sub/a.bin", std::string(10'000, 'a'), true);
    only_b = cache.add_file(key, b, "b.bin", "bb");
    cache.set_ref(key, "main", b);
    cache.set_ref(key, "v1/x", a);
  }
  RemovalPlan commit_plan(const CommitHash& commit) {
    auto plan = plan_commit_removal(cache.root(), key, commit);
    EXPECT_TRUE(plan);
    return *plan;
  }
  RemovalPlan file_plan(const std::vector<CommitHash>& commits, const char* path) {
    auto plan = plan_file_removal(cache.root(), key, commits, rel_path(path));
    EXPECT_TRUE(plan);
    return *plan;
  }
  std::uint64_t bytes_of(const std::string& path) {
    struct stat st{};
    EXPECT_EQ(::lstat((cache.path() + "/" + path).c_str(), &st), 0);
    return static_cast<std::uint64_t>(st.st_blocks) * 512;
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  std::optional<BlobId> both;
  std::optional<BlobId> only_a;
  std::optional<BlobId> only_b;
};

TEST_F(Plan, CommitTakesItsRefsAndTheBlobsOnlyItNeeds) {
  const RemovalPlan plan = commit_plan(a);
  EXPECT_FALSE(plan.whole_repo);
  EXPECT_THAT(plan.refs, ElementsAre(ref_name("v1/x")));
  EXPECT_THAT(plan.snapshots, ElementsAre(a));
  EXPECT_THAT(plan.blobs, ElementsAre(*only_a));
  EXPECT_EQ(plan.bytes, bytes_of(layout::blob(key, *only_a)));
}

TEST_F(Plan, LastCommitIsTheWholeRepo) {
  cache.remove(layout::snapshot(key, b));
  const RemovalPlan plan = commit_plan(a);
  EXPECT_TRUE(plan.whole_repo);
  EXPECT_THAT(plan.snapshots, IsEmpty());
}

TEST_F(Plan, StrangeSnapshotFolderKeepsTheRepo) {
  cache.remove(layout::snapshot(key, b));
  cache.make_dir(kFolder + "/snapshots/mine");
  EXPECT_FALSE(commit_plan(a).whole_repo);
}

TEST_F(Plan, MissingThingsAreNotFound) {
  EXPECT_EQ(plan_commit_removal(cache.root(), key, commit_of('c')).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(plan_repo_removal(cache.root(), repo_key("model/none")).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(plan_file_removal(cache.root(), key, {a, b}, rel_path("none")).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(plan_file_removal(cache.root(), key, {a}, rel_path("sub")).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(plan_file_removal(cache.root(), key, {commit_of('c')}, rel_path("same.bin")).error().kind,
            ErrorKind::kNotFound);
}

TEST_F(Plan, FileOfOneCommitKeepsABlobThatAnotherNeeds) {
  EXPECT_THAT(file_plan({a}, "same.bin").blobs, IsEmpty());
  EXPECT_THAT(file_plan({a, b}, "same.bin").blobs, ElementsAre(*both));
  EXPECT_THAT(file_plan({a, b}, "same.bin").entries, testing::SizeIs(2));
  EXPECT_THAT(file_plan({a, b}, "b.bin").entries, testing::SizeIs(1));
}

TEST_F(Plan, SameBlobUnderAnotherPathKeepsIt) {
  cache.add_file(key, a, "copy.bin", "bb");
  EXPECT_THAT(file_plan({b}, "b.bin").blobs, IsEmpty());
  EXPECT_THAT(commit_plan(b).blobs, IsEmpty());
}

// However another revision spells it, the blob is needed.
TEST_F(Plan, AnySpellingOfAUseCounts) {
  std::filesystem::create_symlink(cache.path(), cache.dir() + "/alias");
  std::filesystem::create_symlink(cache.path() + "/" + layout::blob(key, *only_a), cache.dir() + "/chain");
  const std::string blob = layout::blob(key, *only_a);
  const std::string entry = layout::snapshot_entry(key, b, rel_path("other"));
  for (const std::string& target : {cache.path() + "/" + blob, cache.dir() + "/alias/" + blob, cache.dir() + "/chain",
                                    "../" + a.text() + "/sub/a.bin", "../../snapshots/../blobs/./" + only_a->text()}) {
    cache.link(entry, target);
    EXPECT_THAT(commit_plan(a).blobs, IsEmpty()) << target;
  }
  cache.link(entry, "/etc/passwd");
  EXPECT_THAT(commit_plan(a).blobs, ElementsAre(*only_a));
}

TEST_F(Plan, EntriesOfStrangeSnapshotFoldersCount) {
  cache.link(kFolder + "/snapshots/mine/x", "../../blobs/" + only_a->text());
  EXPECT_THAT(commit_plan(a).blobs, IsEmpty());
  cache.remove(kFolder + "/snapshots/mine");
  cache.link(kFolder + "/kept/x", "../blobs/" + only_a->text());
  cache.link(kFolder + "/snapshots/mine", "../kept");
  EXPECT_THAT(commit_plan(a).blobs, IsEmpty());
}

TEST_F(Plan, AliasOfTheRemovedSnapshotDoesNotCount) {
  cache.link(kFolder + "/snapshots/alias", a.text());
  EXPECT_THAT(commit_plan(a).blobs, ElementsAre(*only_a));
}

TEST_F(Plan, SnapshotThatCannotBeReadKeepsAllBlobs) {
  std::filesystem::create_directory(cache.dir() + "/outside");
  cache.link(kFolder + "/snapshots/away", cache.dir() + "/outside");
  EXPECT_THAT(commit_plan(a).blobs, IsEmpty());
  EXPECT_THAT(commit_plan(a).snapshots, ElementsAre(a));
}

TEST_F(Plan, HardLinkInASnapshotKeepsTheBlob) {
  std::filesystem::create_hard_link(cache.path() + "/" + layout::blob(key, *only_a),
                                    cache.path() + "/" + layout::snapshot_entry(key, b, rel_path("hard")));
  const RemovalPlan plan = commit_plan(a);
  EXPECT_THAT(plan.blobs, IsEmpty());
  EXPECT_EQ(plan.bytes, 0U);
}

TEST_F(Plan, RealFilesGiveTheirOwnBytes) {
  const std::string real = layout::snapshot_entry(key, a, rel_path("real.bin"));
  cache.write(real, std::string(20'000, 'r'));
  EXPECT_EQ(commit_plan(a).bytes, bytes_of(layout::blob(key, *only_a)) + bytes_of(real));
  const RemovalPlan plan = file_plan({a}, "real.bin");
  EXPECT_EQ(plan.bytes, bytes_of(real));
  EXPECT_THAT(plan.blobs, IsEmpty());
}

TEST_F(Plan, PayloadCountsWhenAllItsReferencesGo) {
  const RepoKey other = repo_key("model/org/other");
  const XetHash hash = cache.add_shared_file(key, a, "shared.bin", std::string(9000, 's'));
  const std::uint64_t payload = bytes_of(layout::payload(hash));
  const std::uint64_t rest = bytes_of(layout::blob(key, *only_a));
  EXPECT_EQ(commit_plan(a).bytes, rest + payload);
  cache.add_shared_file(other, a, "shared.bin", std::string(9000, 's'));
  EXPECT_EQ(commit_plan(a).bytes, rest);
  EXPECT_THAT(commit_plan(a).blobs, UnorderedElementsAre(*only_a, blob_id(test::sha256_of(std::string(9000, 's')))));
}

TEST_F(Plan, WholeRepoCountsEverything) {
  cache.write(kFolder + "/blobs/orphan", std::string(5000, 'o'));
  cache.write(kFolder + "/blobs/x.01234567.incomplete", std::string(5000, 'i'));
  const auto plan = plan_repo_removal(cache.root(), key);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->whole_repo);
  EXPECT_THAT(plan->blobs, UnorderedElementsAre(*both, *only_a, *only_b, blob_id("orphan")));
  std::uint64_t bytes = bytes_of(kFolder + "/blobs/x.01234567.incomplete");
  for (const BlobId& etag : plan->blobs) bytes += bytes_of(layout::blob(key, etag));
  EXPECT_EQ(plan->bytes, bytes);
}

TEST_F(Plan, UnusableEntriesAreNotPlannedFor) {
  cache.link(layout::snapshot_entry(key, a, rel_path("out")), "/etc/passwd");
  EXPECT_EQ(plan_file_removal(cache.root(), key, {a}, rel_path("out")).error().kind, ErrorKind::kNotFound);
}

TEST_F(Plan, SaysWhatStaysAndWhy) {
  const RemovalPlan plan = file_plan({a}, "same.bin");
  ASSERT_THAT(plan.stays, testing::SizeIs(1));
  EXPECT_EQ(plan.stays[0].path, layout::blob(key, *both));
  EXPECT_EQ(plan.stays[0].why, "needed by " + layout::snapshot_entry(key, b, rel_path("same.bin")));
  cache.add_shared_file(key, a, "shared.bin", "ssss");
  cache.add_shared_file(repo_key("model/org/other"), a, "shared.bin", "ssss");
  const auto whole = plan_repo_removal(cache.root(), key);
  ASSERT_TRUE(whole);
  ASSERT_THAT(whole->stays, testing::SizeIs(1));
  EXPECT_THAT(whole->stays[0].why, testing::HasSubstr("models--org--other"));
}

TEST_F(Plan, NamesTheInodesThatItFrees) {
  const RemovalPlan plan = commit_plan(a);
  struct stat st{};
  ASSERT_EQ(::lstat((cache.path() + "/" + layout::blob(key, *only_a)).c_str(), &st), 0);
  ASSERT_THAT(plan.freed, testing::SizeIs(1));
  EXPECT_EQ(plan.freed[0].ino, st.st_ino);
  EXPECT_EQ(plan.freed[0].dev, st.st_dev);
  EXPECT_EQ(plan.freed[0].bytes, plan.bytes);
}

// With too few descriptors something is not seen, wherever in the walk that happens: no plan is better than a wrong one.
TEST_F(Plan, WithoutDescriptorsThereIsTheSamePlanOrNone) {
  cache.add_shared_file(key, a, "shared.bin", "ssss");
  const auto commit = commit_plan(a);
  const auto file = file_plan({a}, "sub/a.bin");
  const CacheRoot& root = cache.root();
  const bool held = test::in_child([&] {
    int refused = 0;
    for (rlim_t more = 0; more < 12; ++more) {
      const int next = ::dup(0);
      ::close(next);
      const rlimit few{static_cast<rlim_t>(next) + more, static_cast<rlim_t>(next) + more + 64};
      rlimit old{};
      ::getrlimit(RLIMIT_NOFILE, &old);
      const rlimit limit{few.rlim_cur, old.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &limit);
      const auto now = plan_commit_removal(root, key, a);
      const auto now_file = plan_file_removal(root, key, {a}, rel_path("sub/a.bin"));
      ::setrlimit(RLIMIT_NOFILE, &old);
      if (now && (now->blobs != commit.blobs || now->refs != commit.refs || now->whole_repo)) return false;
      if (now_file && now_file->blobs != file.blobs) return false;
      if (!now_file && now_file.error().kind == ErrorKind::kNotFound) return false;
      if (!now && now.error().kind == ErrorKind::kNotFound) return false;
      refused += now ? 0 : 1;
    }
    return refused > 0;
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace hubfs
