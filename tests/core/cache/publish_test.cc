// SPDX-License-Identifier: Apache-2.0
#include "core/cache/publish.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/cache/layout.h"
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

const std::string kFolder = "models--org--name";

class Publish : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(prepare_repo(cache.root(), key)); }
  // A complete file in the private state, with the narrow mode of a partial.
  std::string staged(const std::string& content) {
    const std::string path = cache.root().state_path() + "/staged";
    std::ofstream(path) << content;
    ::chmod(path.c_str(), 0600);
    return "staged";
  }
  Status publish(const std::string& content) { return publish_blob(cache.root(), key, etag, staged(content)); }
  std::size_t names_in_state() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(cache_root().state_path()), {}));
  }
  [[nodiscard]] const CacheRoot& cache_root() const { return const_cast<TempCache&>(cache).root(); }

  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash commit = commit_of('a');
  const BlobId etag = blob_id("e");
};

TEST_F(Publish, PreparesWhatOtherClientsExpect) {
  EXPECT_TRUE(cache.read("CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
  EXPECT_EQ(cache.read("CACHEDIR.TAG").size(), 191U);
  EXPECT_TRUE(cache.exists(kFolder + "/blobs"));
  EXPECT_TRUE(cache.exists(kFolder + "/snapshots"));
  cache.write("CACHEDIR.TAG", "mine");
  ASSERT_TRUE(prepare_repo(cache.root(), key));
  EXPECT_EQ(cache.read("CACHEDIR.TAG"), "mine");
}

TEST_F(Publish, WholeFileAppearsAsPythonWouldHaveLeftIt) {
  ASSERT_TRUE(publish("content"));
  ASSERT_TRUE(link_snapshot_entry(cache.root(), key, commit, rel_path("a/b.bin"), etag));
  ASSERT_TRUE(write_ref(cache.root(), key, ref_name("refs/pr/1"), commit, true));
  const std::string c(40, 'a');
  EXPECT_EQ(cache.names(),
            (std::vector<std::string>{".locks/", "CACHEDIR.TAG", kFolder + "/", kFolder + "/blobs/",
                                      kFolder + "/blobs/e", kFolder + "/refs/", kFolder + "/refs/refs/",
                                      kFolder + "/refs/refs/pr/", kFolder + "/refs/refs/pr/1", kFolder + "/snapshots/",
                                      kFolder + "/snapshots/" + c + "/", kFolder + "/snapshots/" + c + "/a/",
                                      kFolder + "/snapshots/" + c + "/a/b.bin -> ../../../blobs/e"}));
  EXPECT_EQ(cache.read(kFolder + "/snapshots/" + c + "/a/b.bin"), "content");
  EXPECT_EQ(cache.read(kFolder + "/refs/refs/pr/1"), c);
  EXPECT_EQ(names_in_state(), 0U);
}

TEST_F(Publish, ModeComesFromTheUmask) {
  for (const mode_t mask : {mode_t{022}, mode_t{027}, mode_t{002}}) {
    const mode_t old = ::umask(mask);
    const Status done = publish("content");
    const Status ref = write_ref(cache.root(), key, ref_name("m" + std::to_string(mask)), commit, false);
    ::umask(old);
    ASSERT_TRUE(done && ref);
    EXPECT_EQ(cache.mode(kFolder + "/blobs/e"), 0666U & ~mask);
    EXPECT_EQ(cache.mode(kFolder + "/refs/m" + std::to_string(mask)), 0666U & ~mask);
  }
}

TEST_F(Publish, GroupComesFromASetgidFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs another group";
  cache.chown(kFolder + "/blobs", 0, 4242);
  cache.chmod(kFolder + "/blobs", 02775);
  ASSERT_TRUE(publish("content"));
  struct stat st{};
  ASSERT_EQ(::stat((cache.path() + "/" + kFolder + "/blobs/e").c_str(), &st), 0);
  EXPECT_EQ(st.st_gid, 4242U);
}

TEST_F(Publish, ReplacesLinksAndNeverWritesThroughThem) {
  cache.write("victim", "kept");
  for (const char* target : {"nowhere", "../../victim"}) {
    cache.link(kFolder + "/blobs/e", target);
    ASSERT_TRUE(publish("content")) << target;
    EXPECT_EQ(stat_blob(cache.root(), key, etag)->form, BlobForm::kRegular);
    EXPECT_EQ(cache.read("victim"), "kept");
  }
  cache.write(kFolder + "/blobs/e", "damaged");
  ASSERT_TRUE(publish("content"));
  EXPECT_EQ(cache.read(kFolder + "/blobs/e"), "content");
}

TEST_F(Publish, BlobThatCannotBePlacedStaysWhereItWas) {
  cache.make_dir(kFolder + "/blobs/e/full");
  EXPECT_EQ(publish("content").error().kind, ErrorKind::kExists);
  EXPECT_EQ(names_in_state(), 1U);
  EXPECT_FALSE(publish_blob(cache.root(), key, blob_id("x"), "none"));
  cache.remove(kFolder + "/blobs");
  cache.make_dir("victim");
  cache.link(kFolder + "/blobs", "../victim");
  EXPECT_FALSE(publish("content"));
  EXPECT_FALSE(cache.exists("victim/e"));
}

TEST_F(Publish, EntryThatIsRightIsLeftAlone) {
  const std::string entry = layout::snapshot_entry(key, commit, rel_path("f"));
  for (const std::string& target : {std::string("../../blobs/e"), cache.path() + "/" + kFolder + "/blobs/e"}) {
    cache.link(entry, target);
    ASSERT_TRUE(link_snapshot_entry(cache.root(), key, commit, rel_path("f"), etag));
    EXPECT_EQ(cache.read_link(entry), target);
  }
  cache.remove(entry);
  cache.write(entry, "a real file");
  ASSERT_TRUE(link_snapshot_entry(cache.root(), key, commit, rel_path("f"), etag));
  EXPECT_EQ(cache.read(entry), "a real file");
}

TEST_F(Publish, ForeignEntryIsReplaced) {
  const std::string entry = layout::snapshot_entry(key, commit, rel_path("f"));
  cache.write("victim", "kept");
  for (const char* target : {"../../blobs/other", "/etc/passwd", "../../../victim", "f"}) {
    cache.link(entry, target);
    ASSERT_TRUE(link_snapshot_entry(cache.root(), key, commit, rel_path("f"), etag)) << target;
    EXPECT_EQ(cache.read_link(entry), "../../blobs/e");
  }
  EXPECT_EQ(cache.read("victim"), "kept");
  EXPECT_EQ(names_in_state(), 0U);
}

TEST_F(Publish, EntryBehindALinkedFolderIsRefused) {
  cache.make_dir("victim");
  cache.link(kFolder + "/snapshots/" + commit.text() + "/sub", "../../../victim");
  EXPECT_FALSE(link_snapshot_entry(cache.root(), key, commit, rel_path("sub/f"), etag));
  EXPECT_FALSE(cache.exists("victim/f"));
  cache.write(layout::snapshot_entry(key, commit, rel_path("file")), "x");
  EXPECT_EQ(link_snapshot_entry(cache.root(), key, commit, rel_path("file/f"), etag).error().kind, ErrorKind::kExists);
  cache.make_dir(layout::snapshot_entry(key, commit, rel_path("folder")) + "/x");
  EXPECT_EQ(link_snapshot_entry(cache.root(), key, commit, rel_path("folder"), etag).error().kind, ErrorKind::kExists);
}

TEST_F(Publish, RefIsMovedOnlyWhenAsked) {
  const std::string ref = kFolder + "/refs/main";
  ASSERT_TRUE(write_ref(cache.root(), key, ref_name("main"), commit_of('b'), true));
  ASSERT_TRUE(write_ref(cache.root(), key, ref_name("main"), commit, true));
  EXPECT_EQ(cache.read(ref), std::string(40, 'b'));
  ASSERT_TRUE(write_ref(cache.root(), key, ref_name("main"), commit, false));
  EXPECT_EQ(cache.read(ref), std::string(40, 'a'));
}

TEST_F(Publish, UselessRefCountsAsAbsentAndAnUntidyOneIsTidied) {
  const std::string ref = kFolder + "/refs/main";
  for (const std::string& content :
       {std::string(), std::string("nonsense"), std::string(40, 'a') + "\n", std::string(40, 'A')}) {
    cache.write(ref, content);
    ASSERT_TRUE(write_ref(cache.root(), key, ref_name("main"), commit, true)) << content;
    EXPECT_EQ(cache.read(ref), std::string(40, 'a'));
  }
}

TEST_F(Publish, RefThatIsRightIsNotTouched) {
  ASSERT_TRUE(write_ref(cache.root(), key, ref_name("main"), commit, false));
  struct stat before{};
  struct stat after{};
  const std::string ref = cache.path() + "/" + kFolder + "/refs/main";
  ASSERT_EQ(::stat(ref.c_str(), &before), 0);
  ASSERT_TRUE(write_ref(cache.root(), key, ref_name("main"), commit, false));
  ASSERT_EQ(::stat(ref.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(Publish, RefClashesAreSaid) {
  cache.set_ref(key, "v1", commit);
  EXPECT_EQ(write_ref(cache.root(), key, ref_name("v1/x"), commit, false).error().kind, ErrorKind::kExists);
  cache.set_ref(key, "v2/x", commit);
  EXPECT_EQ(write_ref(cache.root(), key, ref_name("v2"), commit, false).error().kind, ErrorKind::kExists);
  EXPECT_EQ(names_in_state(), 0U);
  EXPECT_EQ(scan_repo(cache.root(), key)->refs.size(), 2U);
}

}  // namespace
}  // namespace hubfs
