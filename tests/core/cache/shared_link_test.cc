// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/cache/layout.h"
#include "core/cache/publish.h"
#include "core/cache/repo_scan.h"
#include "core/cache/shared_store.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::repo_key;
using test::TempCache;

class SharedLink : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("HF_HUB_DISABLE_SHARED_BLOBS");
    ::unsetenv("HF_HUB_DISABLE_XET");
    hash = cache.add_shared_file(repo_key("model/org/alpha"), commit_of('a'), "f", "payload");
    ASSERT_TRUE(prepare_repo(cache.root(), key));
  }
  bool link(std::uint64_t size = 7) {
    const auto linked = link_shared_payload(cache.root(), key, etag, *hash, size);
    EXPECT_TRUE(linked) << linked.error().message;
    return linked.value_or(false);
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/beta");
  const BlobId etag = blob_id(test::sha256_of("payload"));
  const std::string blob = "models--org--beta/blobs/" + test::sha256_of("payload");
  std::optional<XetHash> hash;
};

TEST_F(SharedLink, LinksByTheStoresProtocol) {
  const std::string before = cache.read(layout::payload_manifest(*hash));
  ASSERT_TRUE(link());
  EXPECT_EQ(cache.read_link(blob), layout::link_to_payload(*hash));
  EXPECT_EQ(cache.read(layout::payload_manifest(*hash)), before + blob + "\n");
  EXPECT_EQ(cache.mode(layout::payload_manifest(*hash)), 0666U);
  EXPECT_EQ(stat_blob(cache.root(), key, etag)->form, BlobForm::kShared);
  EXPECT_TRUE(valid_references(cache.root(), *hash)->contains(blob));
  // No staged link is left.
  EXPECT_EQ(cache.exists("models--org--beta/blobs/." + etag.text()), false);
  std::size_t links = 0;
  for (const std::string& name : cache.names())
    links += name.find(".shared") != std::string::npos && name.find("beta") != std::string::npos ? 1 : 0;
  EXPECT_EQ(links, 0U);
}

TEST_F(SharedLink, ReplacesADanglingLink) {
  cache.link(blob, "nowhere");
  EXPECT_TRUE(link());
  EXPECT_EQ(cache.read(blob), "payload");
}

TEST_F(SharedLink, RegularBlobIsNeverConverted) {
  cache.write(blob, "payload");
  EXPECT_FALSE(link());
  EXPECT_EQ(stat_blob(cache.root(), key, etag)->form, BlobForm::kRegular);
}

TEST_F(SharedLink, UnusablePayloadsAreNotLinked) {
  EXPECT_FALSE(link(6));
  EXPECT_FALSE(link(8));
  cache.remove(layout::payload(*hash));
  EXPECT_FALSE(link());
  cache.link(layout::payload(*hash), "/etc/hostname");
  EXPECT_FALSE(link());
  EXPECT_FALSE(cache.exists(blob));
}

TEST_F(SharedLink, SwitchesAndForeignStoresTurnItOff) {
  ::setenv("HF_HUB_DISABLE_SHARED_BLOBS", "1", 1);
  EXPECT_FALSE(link());
  ::unsetenv("HF_HUB_DISABLE_SHARED_BLOBS");
  ::setenv("HF_HUB_DISABLE_XET", "TRUE", 1);
  EXPECT_FALSE(link());
  ::unsetenv("HF_HUB_DISABLE_XET");
  cache.remove(std::string(layout::kSharedMarker));
  EXPECT_FALSE(link());
  EXPECT_FALSE(cache.exists(blob));
}

TEST_F(SharedLink, ManifestThatIsALinkIsRefused) {
  cache.write("victim", "kept");
  cache.link(layout::payload_manifest(*hash), "../../victim");
  EXPECT_FALSE(link_shared_payload(cache.root(), key, etag, *hash, 7));
  EXPECT_EQ(cache.read("victim"), "kept");
  EXPECT_FALSE(cache.exists(blob));
}

}  // namespace
}  // namespace hubfs
