// SPDX-License-Identifier: Apache-2.0
#include "core/cache/shared_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <filesystem>

#include "core/cache/layout.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::repo_key;
using test::TempCache;

class SharedStore : public testing::Test {
 protected:
  void SetUp() override {
    hash = cache.add_shared_file(alpha, commit_of('a'), "f", "payload");
    cache.add_shared_file(beta, commit_of('b'), "f", "payload");
  }
  std::uint64_t sweep() {
    const auto swept = sweep_payload(cache.root(), *hash);
    EXPECT_TRUE(swept) << swept.error().message;
    return swept.value_or(0);
  }
  std::string manifest() { return cache.read(layout::payload_manifest(*hash)); }

  TempCache cache;
  const RepoKey alpha = repo_key("model/org/alpha");
  const RepoKey beta = repo_key("model/org/beta");
  const std::string blob_a = "models--org--alpha/blobs/" + test::sha256_of("payload");
  const std::string blob_b = "models--org--beta/blobs/" + test::sha256_of("payload");
  std::optional<XetHash> hash;
};

TEST_F(SharedStore, MarkerDecides) {
  const std::string marker(layout::kSharedMarker);
  EXPECT_TRUE(has_shared_store(cache.root()));
  EXPECT_TRUE(stat_payload(cache.root(), *hash));
  for (const char* content : {"", "1", "2\n", "1\n\n", "1\r\n"}) {
    cache.chmod(marker, 0644);
    cache.write(marker, content);
    EXPECT_FALSE(has_shared_store(cache.root())) << content;
  }
  cache.remove(marker);
  EXPECT_FALSE(has_shared_store(cache.root()));
  cache.write("one", "1\n");
  cache.link(marker, "../one");
  EXPECT_FALSE(has_shared_store(cache.root()));
}

TEST_F(SharedStore, LinkedStoreIsNotOurs) {
  std::filesystem::rename(cache.path() + "/blobs", cache.dir() + "/elsewhere");
  cache.link("blobs", "../elsewhere");
  EXPECT_FALSE(has_shared_store(cache.root()));
  EXPECT_FALSE(stat_payload(cache.root(), *hash));
}

TEST_F(SharedStore, ReferencesAreCheckedAgainstTheDisk) {
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_a, blob_b}));
  cache.remove(blob_a);
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_b}));
  cache.write(blob_a, "regular now");
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_b}));
  cache.link(blob_a, layout::link_to_payload(test::xet_hash_of("other")));
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_b}));
  cache.link(blob_a, cache.path() + "/" + layout::payload(*hash));
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_a, blob_b}));
  std::filesystem::create_symlink(cache.path(), cache.dir() + "/alias");
  cache.link(blob_a, cache.dir() + "/alias/" + layout::payload(*hash));
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_a, blob_b}));
}

TEST_F(SharedStore, StrangeLinesAreNoReferences) {
  cache.link("models--org--x/refs/e", layout::link_to_payload(*hash));
  cache.link("loose", layout::payload(*hash));
  const std::string lines = "/" + blob_a + "\n../hub/" + blob_a +
                            "\nloose\nmodels--org--x/refs/e\nmodels--/blobs/e\n\n" + "x/" + blob_a + "\n" + blob_a +
                            "/\n" + blob_b + "\n" + blob_b + "\n";
  cache.write(layout::payload_manifest(*hash), lines);
  EXPECT_EQ(valid_references(cache.root(), *hash), (std::set{blob_b}));
}

TEST_F(SharedStore, WhatCannotBeToldIsUnknown) {
  const std::string path = layout::payload_manifest(*hash);
  cache.write(path, blob_a + "\nmodels--org--\xff/blobs/e\n");
  EXPECT_FALSE(valid_references(cache.root(), *hash));
  cache.remove(path);
  EXPECT_FALSE(valid_references(cache.root(), *hash));
  cache.link(path, "../nowhere");
  EXPECT_FALSE(valid_references(cache.root(), *hash));
  cache.remove(path);
  cache.make_fifo(path);
  EXPECT_FALSE(valid_references(cache.root(), *hash));
}

TEST_F(SharedStore, SweepKeepsWhatIsReferenced) {
  EXPECT_EQ(sweep(), 0U);
  cache.remove("models--org--alpha");
  EXPECT_EQ(sweep(), 0U);
  EXPECT_EQ(manifest(), blob_b + "\n");
  EXPECT_EQ(cache.mode(layout::payload_manifest(*hash)), 0666U);
  EXPECT_EQ(cache.read(layout::payload(*hash)), "payload");
}

TEST_F(SharedStore, SweepDeletesWhatIsNot) {
  cache.remove("models--org--alpha");
  cache.remove("models--org--beta");
  EXPECT_GT(sweep(), 0U);
  EXPECT_FALSE(cache.exists(layout::payload(*hash)));
  EXPECT_FALSE(cache.exists(layout::payload_manifest(*hash)));
  EXPECT_TRUE(cache.exists(layout::payload_lock(*hash)));
  EXPECT_EQ(sweep(), 0U);
}

TEST_F(SharedStore, UnknownIsNeverDeleted) {
  cache.remove("models--org--alpha");
  cache.remove("models--org--beta");
  cache.remove(layout::payload_manifest(*hash));
  EXPECT_EQ(sweep(), 0U);
  EXPECT_TRUE(cache.exists(layout::payload(*hash)));
}

TEST_F(SharedStore, ForeignStoreIsNotSwept) {
  cache.remove("models--org--alpha");
  cache.remove("models--org--beta");
  cache.remove(std::string(layout::kSharedMarker));
  EXPECT_EQ(sweep(), 0U);
  EXPECT_TRUE(cache.exists(layout::payload(*hash)));
}

TEST_F(SharedStore, ManifestOfTheRewriteIsSortedAndFreeOfRepeats) {
  cache.write(layout::payload_manifest(*hash), blob_b + "\n" + blob_a + "\n" + blob_b + "\nmodels--gone/blobs/e\n");
  EXPECT_EQ(sweep(), 0U);
  EXPECT_EQ(manifest(), blob_a + "\n" + blob_b + "\n");
}

TEST_F(SharedStore, SweepWaitsForTheLockAndGivesUp) {
  const auto held = PayloadLock::acquire(cache.root(), *hash, 0);
  ASSERT_TRUE(held);
  EXPECT_EQ(PayloadLock::acquire(cache.root(), *hash, 0).error().kind, ErrorKind::kBusy);
  EXPECT_EQ(cache.mode(layout::payload_lock(*hash)) & 0600U, 0600U);
}

TEST_F(SharedStore, MissingLockFileIsMadeForEveryone) {
  cache.remove(layout::payload_lock(*hash));
  ASSERT_TRUE(PayloadLock::acquire(cache.root(), *hash, 0));
  EXPECT_EQ(cache.mode(layout::payload_lock(*hash)), 0666U);
}

}  // namespace
}  // namespace hubfs
