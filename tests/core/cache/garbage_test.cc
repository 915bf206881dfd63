// SPDX-License-Identifier: Apache-2.0
#include "core/cache/garbage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "core/cache/blob_lock.h"
#include "core/cache/kept.h"
#include "core/cache/layout.h"
#include "core/cache/removal.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::git_sha1_of;
using test::repo_key;
using test::TempCache;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kHour = 3600;
const std::string kFolder = "models--org--name";
const std::string kEtag = git_sha1_of("not in any snapshot");
const std::string kProbe = kFolder + "/blobs/tmp_0f1e2d3c-4b5a-4978-8675-04f3e2d1c0b9";

// Files cannot be made old (ctime), so the clock goes forward instead.
class Garbage : public testing::Test {
 protected:
  void SetUp() override {
    needed = cache.add_file(key, a, "sub/f.bin", "needed");
    cache.set_ref(key, "main", a);
    options.now_s = std::time(nullptr) + 2 * kHour;
  }
  GarbagePlan plan() {
    auto planned = plan_garbage(cache.root(), options);
    EXPECT_TRUE(planned) << planned.error().message;
    return planned ? *planned : GarbagePlan{};
  }
  GarbageResult collect() {
    GarbageResult result = apply_garbage(cache.root(), plan(), options);
    EXPECT_THAT(result.failures, IsEmpty());
    return result;
  }
  std::vector<std::string> planned() {
    std::vector<std::string> found;
    for (const GarbageItem& item : plan().items) found.push_back(std::string(name_of(item.kind)) + " " + item.path);
    return found;
  }
  std::vector<std::string> left() {
    std::vector<std::string> found;
    for (const GarbageLeft& one : plan().left) found.push_back(one.path);
    return found;
  }
  // Collected when old, and only then; with it nothing else goes.
  void expect_goes_when_old(const std::string& kind, const std::string& path) {
    EXPECT_THAT(planned(), ElementsAre(kind + " " + path));
    options.now_s -= 2 * kHour;
    EXPECT_THAT(planned(), IsEmpty());
    EXPECT_THAT(left(), Contains(path));
    EXPECT_THAT(collect().removed, IsEmpty());
    EXPECT_TRUE(cache.exists(path));
    options.now_s += 2 * kHour;
    const GarbagePlan old = plan();
    // A plan from before, carried out when the name is young again: nothing goes.
    options.now_s -= 2 * kHour;
    EXPECT_THAT(apply_garbage(cache.root(), old, options).removed, IsEmpty());
    EXPECT_TRUE(cache.exists(path));
    options.now_s += 2 * kHour;
    EXPECT_EQ(collect().removed.size(), 1U);
    EXPECT_FALSE(cache.exists(path));
    expect_healthy();
  }
  // As above, and not while the blob's lock is held, at the plan or at its application.
  void expect_goes_when_free(const std::string& kind, const std::string& path, const std::string& etag) {
    const GarbagePlan before = plan();
    {
      const auto lock = BlobLock::try_acquire(cache.root(), key, blob_id(etag));
      ASSERT_TRUE(lock && *lock);
      EXPECT_THAT(planned(), IsEmpty());
      EXPECT_THAT(left(), Contains(path));
      const GarbageResult result = apply_garbage(cache.root(), before, options);
      EXPECT_THAT(result.removed, IsEmpty());
      EXPECT_EQ(result.left.size(), 1U);
      EXPECT_TRUE(cache.exists(path));
    }
    expect_goes_when_old(kind, path);
  }
  void expect_stays(const std::string& path) {
    EXPECT_THAT(collect().removed, IsEmpty());
    EXPECT_TRUE(cache.exists(path));
  }
  void expect_healthy() {
    EXPECT_EQ(cache.read(kFolder + "/snapshots/" + a.text() + "/sub/f.bin"), "needed");
    EXPECT_EQ(cache.read(kFolder + "/refs/main"), a.text());
    EXPECT_TRUE(cache.exists(layout::blob_lock(key, needed)));
  }

  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  BlobId needed = blob_id("x");
  GarbageOptions options;
};

TEST_F(Garbage, AHealthyCacheHasNone) {
  cache.add_shared_file(key, b, "shared.bin", "payload");  // detached: no ref
  cache.make_dir(kFolder + "/snapshots/" + commit_of('c').text());
  cache.write(kFolder + "/snapshots/" + b.text() + "/real.txt", "a real file");
  cache.write(kFolder + "/.no_exist/" + a.text() + "/x.json", "");
  EXPECT_THAT(planned(), IsEmpty());
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_THAT(collect().removed, IsEmpty());
}

TEST_F(Garbage, OrphanBlob) {
  const std::string path = kFolder + "/blobs/" + kEtag;
  cache.write(path, "not in any snapshot");
  EXPECT_GT(plan().bytes(), 0U);
  expect_goes_when_free("orphan-blob", path, kEtag);
}

TEST_F(Garbage, ABlobThatCameIntoUseAfterThePlanStays) {
  cache.write(kFolder + "/blobs/" + kEtag, "not in any snapshot");
  const GarbagePlan before = plan();
  ASSERT_EQ(before.items.size(), 1U);
  cache.link(kFolder + "/snapshots/" + b.text() + "/late", "../../blobs/" + kEtag);
  EXPECT_THAT(apply_garbage(cache.root(), before, options).removed, IsEmpty());
  EXPECT_EQ(cache.read(kFolder + "/snapshots/" + b.text() + "/late"), "not in any snapshot");
}

TEST_F(Garbage, ABlobThatOnlyAnAbsoluteLinkOrAHardLinkNeedsStays) {
  cache.write(kFolder + "/blobs/" + kEtag, "x");
  std::filesystem::create_directory_symlink(cache.path(), cache.dir() + "/alias");
  cache.link(kFolder + "/snapshots/" + b.text() + "/f", cache.dir() + "/alias/" + kFolder + "/blobs/" + kEtag);
  const std::string other = kFolder + "/blobs/" + git_sha1_of("hard");
  cache.write(other, "hard");
  std::filesystem::create_hard_link(cache.path() + "/" + other,
                                    cache.path() + "/" + kFolder + "/snapshots/" + b.text() + "/g");
  expect_stays(kFolder + "/blobs/" + kEtag);
  EXPECT_TRUE(cache.exists(other));
}

TEST_F(Garbage, OrphanLinkTakesItsPayloadAlongUnlessAnotherRepoNeedsIt) {
  const RepoKey other = repo_key("model/org/other");
  const XetHash mine = cache.add_shared_file(key, b, "f", "mine alone");
  const XetHash both = cache.add_shared_file(key, b, "g", "of both");
  cache.add_shared_file(other, a, "g", "of both");
  cache.remove(kFolder + "/snapshots/" + b.text());
  EXPECT_EQ(collect().removed.size(), 2U);
  EXPECT_FALSE(cache.exists(layout::payload(mine)));
  EXPECT_TRUE(cache.exists(layout::payload_lock(mine)));
  EXPECT_EQ(cache.read("models--org--other/snapshots/" + a.text() + "/g"), "of both");
  EXPECT_TRUE(cache.exists(layout::payload(both)));
}

TEST_F(Garbage, AbandonedDownloadOfPython) {
  const std::string path = kFolder + "/blobs/" + kEtag + ".0a1b2c3d.incomplete";
  cache.write(path, "half");
  expect_goes_when_free("incomplete", path, kEtag);
}

TEST_F(Garbage, AbandonedDownloadOfJavaScript) {
  const std::string path = kFolder + "/blobs/" + kEtag + ".incomplete";
  cache.write(path, "half");
  expect_goes_when_free("incomplete", path, kEtag);
}

TEST_F(Garbage, StagedNames) {
  for (const char* suffix : {"shared", "new", "old"}) {
    const std::string path = kFolder + "/blobs/." + kEtag + ".0a1b2c3d." + suffix;
    cache.link(path, "../../blobs/ab/none");
    expect_goes_when_free("transient", path, kEtag);
  }
}

TEST_F(Garbage, UmaskProbe) {
  cache.write(kProbe, "");
  expect_goes_when_old("transient", kProbe);
}

TEST_F(Garbage, ProbeFolders) {
  for (const std::string& path : {std::string("tmpab_12cd0"), kFolder + "/tmpab_12cd0"}) {
    cache.write(path + "/dummy_file_src", "");
    cache.link(path + "/dummy_file_dst", "dummy_file_src");
    expect_goes_when_old("probe-folder", path);
  }
}

TEST_F(Garbage, AFolderThatOnlyLooksLikeAProbeStays) {
  cache.write("tmpab_12cd0/mine.txt", "precious");
  cache.write("tmp-mine/dummy_file_src", "");
  cache.make_dir("tmp12345678/dummy_file_src");
  EXPECT_THAT(planned(), IsEmpty());
}

TEST_F(Garbage, UnfinishedWrites) {
  expect_healthy();
  for (const std::string& path :
       {kFolder + "/refs/main.0a1b2c3d.tmp", kFolder + "/refs/v1/x.0a1b2c3d.tmp", kFolder + "/trees/tmpab_12cd0.tmp",
        kFolder + "/trees/" + a.text() + ".json.0a1b2c3d.tmp"}) {
    cache.write(path, "");
    expect_goes_when_old("temporary", path);
    cache.remove(kFolder + "/refs/v1");
  }
}

TEST_F(Garbage, UnfinishedWritesOfTheStore) {
  const XetHash hash = cache.add_shared_file(key, a, "g", "payload");
  for (const std::string& path :
       {layout::payload_manifest(hash) + ".0a1b2c3d.tmp", std::string(layout::kSharedMarker) + ".0a1b2c3d.tmp"}) {
    cache.write(path, "");
    expect_goes_when_old("temporary", path);
  }
  EXPECT_TRUE(cache.exists(layout::payload_manifest(hash)));
}

TEST_F(Garbage, DanglingEntry) {
  const std::string path = kFolder + "/snapshots/" + a.text() + "/gone.bin";
  cache.link(path, "../../blobs/" + kEtag);
  expect_goes_when_free("dangling-entry", path, kEtag);
}

TEST_F(Garbage, AnEntryWhoseBlobCameBackStays) {
  const std::string path = kFolder + "/snapshots/" + a.text() + "/gone.bin";
  cache.link(path, "../../blobs/" + kEtag);
  const GarbagePlan before = plan();
  cache.write(kFolder + "/blobs/" + kEtag, "back");
  EXPECT_THAT(apply_garbage(cache.root(), before, options).removed, IsEmpty());
  EXPECT_EQ(cache.read(path), "back");
}

TEST_F(Garbage, EntriesThatLeadElsewhereStay) {
  cache.link(kFolder + "/snapshots/" + a.text() + "/outside", "/nowhere/at/all");
  cache.link(kFolder + "/snapshots/" + a.text() + "/strange", "../../blobs/with space");
  cache.link(kFolder + "/snapshots/" + a.text() + "/folder", "sub");
  EXPECT_THAT(planned(), IsEmpty());
}

TEST_F(Garbage, WithoutAFolderOfBlobsNothingDangles) {
  cache.remove(kFolder + "/blobs");
  EXPECT_THAT(planned(), IsEmpty());
}

TEST_F(Garbage, WithoutAFolderOfSnapshotsNoBlobIsAnOrphan) {
  cache.remove(kFolder + "/snapshots");
  EXPECT_THAT(left(), Contains(kFolder + "/blobs"));
  expect_stays(layout::blob(key, needed));
}

TEST_F(Garbage, DanglingBlobAndTheEntriesThatNameIt) {
  const XetHash hash = cache.add_shared_file(key, a, "g", "payload");
  const std::string etag = test::sha256_of("payload");
  std::filesystem::remove(cache.path() + "/" + layout::payload(hash));
  EXPECT_THAT(planned(), ElementsAre("dangling-entry " + kFolder + "/snapshots/" + a.text() + "/g",
                                     "dangling-blob " + kFolder + "/blobs/" + etag));
  const GarbagePlan before = plan();
  cache.write(layout::payload(hash), "payload");
  EXPECT_THAT(apply_garbage(cache.root(), before, options).removed, IsEmpty());
  std::filesystem::remove(cache.path() + "/" + layout::payload(hash));
  EXPECT_EQ(collect().removed.size(), 2U);
  EXPECT_FALSE(cache.exists(kFolder + "/blobs/" + etag));
  expect_healthy();
}

TEST_F(Garbage, LinksIntoAFolderWithoutTheMarkerStay) {
  cache.link(kFolder + "/blobs/" + kEtag, "../../blobs/ab/" + std::string(64, 'a'));
  cache.link(kFolder + "/snapshots/" + a.text() + "/g", "../../blobs/" + kEtag);
  cache.write("blobs/ab/" + std::string(64, 'b'), "somebody's own");
  EXPECT_THAT(planned(), IsEmpty());
}

TEST_F(Garbage, RefsToMissingSnapshotsOnlyWhenAskedFor) {
  const std::string path = kFolder + "/refs/v1";
  cache.set_ref(key, "v1", b);
  EXPECT_THAT(planned(), IsEmpty());
  EXPECT_THAT(left(), ElementsAre(path));
  options.refs = true;
  const GarbagePlan before = plan();
  cache.make_dir(kFolder + "/snapshots/" + b.text());
  EXPECT_THAT(apply_garbage(cache.root(), before, options).removed, IsEmpty());
  cache.remove(kFolder + "/snapshots/" + b.text());
  expect_goes_when_old("dead-ref", path);
}

TEST_F(Garbage, EmptyFoldersBelowSnapshotsAndRefs) {
  const std::string snapshot = kFolder + "/snapshots/" + a.text();
  cache.make_dir(snapshot + "/x/y");
  cache.make_dir(kFolder + "/refs/pr");
  EXPECT_THAT(planned(), ElementsAre("empty-folder " + kFolder + "/refs/pr", "empty-folder " + snapshot + "/x/y",
                                     "empty-folder " + snapshot + "/x"));
  const GarbagePlan before = plan();
  cache.link(snapshot + "/x/late", "../../../blobs/" + needed.text());
  EXPECT_EQ(apply_garbage(cache.root(), before, options).removed.size(), 2U);
  EXPECT_TRUE(cache.exists(snapshot + "/x/late"));
  options.now_s -= 2 * kHour;
  cache.make_dir(kFolder + "/refs/pr");
  EXPECT_THAT(planned(), IsEmpty());
}

TEST_F(Garbage, PayloadWithoutReferences) {
  const XetHash hash = cache.add_shared_file(key, b, "g", "payload");
  EXPECT_THAT(planned(), IsEmpty());
  cache.remove(kFolder + "/snapshots/" + b.text());
  cache.remove(kFolder + "/blobs/" + test::sha256_of("payload"));
  expect_goes_when_old("payload", layout::payload(hash));
  EXPECT_TRUE(cache.exists(layout::payload_lock(hash)));
}

TEST_F(Garbage, APayloadWhoseReferencesCannotBeToldStays) {
  const XetHash hash = cache.add_shared_file(key, b, "g", "payload");
  cache.remove(kFolder + "/snapshots/" + b.text());
  cache.remove(kFolder + "/blobs/" + test::sha256_of("payload"));
  cache.remove(layout::payload_manifest(hash));
  EXPECT_THAT(left(), Contains(layout::payload(hash)));
  expect_stays(layout::payload(hash));
}

TEST_F(Garbage, NothingOfAPinnedRepo) {
  const std::string path = kFolder + "/blobs/" + kEtag;
  cache.write(path, "x");
  const GarbagePlan before = plan();
  ASSERT_EQ(before.items.size(), 1U);
  options.is_pinned = [&](const RepoKey& asked) { return asked == key; };
  EXPECT_THAT(left(), ElementsAre(kFolder));
  EXPECT_THAT(apply_garbage(cache.root(), before, options).removed, IsEmpty());
  expect_stays(path);
}

TEST_F(Garbage, StrangeNamesStay) {
  for (const std::string& path :
       {kFolder + "/blobs/with space", kFolder + "/blobs/.hidden", kFolder + "/blobs/x.incomplete/y",
        std::string("buckets--x/blobs/") + kEtag, std::string("notes.txt"), kFolder + "/extra/file",
        std::string(".locks/") + kFolder + "/stale.lock"}) {
    cache.write(path, "x");
  }
  EXPECT_THAT(planned(), IsEmpty());
  EXPECT_THAT(left(), Contains(kFolder + "/blobs/with space"));
}

TEST_F(Garbage, OwnTrashAndLeftovers) {
  const std::string state = cache.root().state_path();
  std::filesystem::create_directories(state + "/trash/models--x--y.0a1b2c3d/blobs");
  std::ofstream(state + "/trash/models--x--y.0a1b2c3d/blobs/f") << "x";
  std::ofstream(state + "/.staged.0a1b2c3d") << "x";
  std::ofstream(state + "/names.json") << "{}";
  std::ofstream(state + "/names.json.0a1b2c3d.tmp") << "x";
  EXPECT_THAT(planned(), ElementsAre("temporary .staged.0a1b2c3d", "temporary names.json.0a1b2c3d.tmp",
                                     "trash trash/models--x--y.0a1b2c3d"));
  EXPECT_EQ(collect().removed.size(), 3U);
  EXPECT_TRUE(std::filesystem::is_empty(state + "/trash"));
  EXPECT_TRUE(std::filesystem::exists(state + "/names.json"));
  EXPECT_FALSE(std::filesystem::exists(state + "/.staged.0a1b2c3d"));
}

TEST_F(Garbage, KeptThingsWhenTheirTimeIsOverAndNotBefore) {
  const XetHash hash = cache.add_shared_file(key, b, "shared.bin", "payload");
  const auto removal = plan_commit_removal(cache.root(), key, b);
  ASSERT_TRUE(removal);
  {
    auto record = KeptRecord::open(cache.root(), key, {"12-0a1b2c3d", options.now_s - 60, options.now_s});
    ASSERT_TRUE(record && apply_removal(cache.root(), *removal, nullptr, &*record));
  }
  --options.now_s;
  // Its payload has no reference any more, but is needed to bring it back.
  EXPECT_THAT(planned(), IsEmpty());
  EXPECT_THAT(left(), ElementsAre(layout::payload(hash)));
  ++options.now_s;
  EXPECT_THAT(planned(), ElementsAre("kept kept/12-0a1b2c3d"));
  EXPECT_EQ(collect().removed.size(), 1U);
  EXPECT_FALSE(cache.exists(layout::payload(hash)));
  EXPECT_THAT(list_kept(cache.root()), IsEmpty());
  expect_healthy();
}

TEST_F(Garbage, OwnDownloadsThatNoMountCanGoOnWith) {
  const std::string folder = cache.root().state_path() + "/partial/" + kFolder;
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/" + kEtag + ".data") << "lasting";
  std::ofstream(folder + "/" + kEtag + ".ranges") << "journal";
  std::ofstream(folder + "/" + kEtag + ".0a1b2c3d.data") << "of a process that died";
  EXPECT_THAT(planned(), ElementsAre("partial partial/" + kFolder + "/" + kEtag + ".0a1b2c3d.data"));
  EXPECT_EQ(collect().removed.size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(folder + "/" + kEtag + ".data"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/" + kEtag + ".0a1b2c3d.data"));
}

TEST_F(Garbage, FailuresAreReportedAndTheRestGoesOn) {
  // Not one of the files can be removed by an ordinary user; both are said.
  cache.chmod("", 0777);
  cache.write(kFolder + "/blobs/" + kEtag, "x");
  cache.write(kFolder + "/blobs/" + git_sha1_of("y"), "y");
  cache.write(".locks/" + kFolder + "/" + kEtag + ".lock", "");
  cache.chmod(".locks", 0777);
  cache.chmod(".locks/" + kFolder, 0777);
  const GarbagePlan before = plan();
  ASSERT_EQ(before.items.size(), 2U);
  cache.chmod(kFolder + "/blobs", 0555);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const GarbageResult result = apply_garbage(cache.root(), before, options);
    return result.removed.empty() && result.failures.size() + result.left.size() == 2 && !result.failures.empty();
  }));
  EXPECT_TRUE(cache.exists(kFolder + "/blobs/" + kEtag));
}

TEST(GarbageOfAReadOnlyCache, IsRefusedInWords) {
  TempCache cache;
  cache.add_file(repo_key("model/org/name"), commit_of('a'), "f", "x");
  cache.chmod("", 0555);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const auto root = CacheRoot::open(cache.path(), false);
    if (!root) return false;
    const auto planned = plan_garbage(**root, {});
    return !planned && planned.error().kind == ErrorKind::kAccessDenied;
  }));
}

}  // namespace
}  // namespace hubfs
