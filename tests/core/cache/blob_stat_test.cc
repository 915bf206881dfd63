// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "core/cache/layout.h"
#include "core/cache/repo_scan.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::repo_key;
using test::TempCache;

const std::string kBlobs = "models--org--name/blobs/";

class BlobStat : public testing::Test {
 protected:
  BlobForm form(const std::string& etag) {
    const auto blob = stat_blob(cache.root(), key, blob_id(etag));
    EXPECT_TRUE(blob);
    return blob ? blob->form : BlobForm::kAbsent;
  }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
};

TEST_F(BlobStat, RegularFile) {
  cache.write(kBlobs + "e", "12345");
  const auto blob = stat_blob(cache.root(), key, blob_id("e"));
  ASSERT_TRUE(blob);
  EXPECT_EQ(blob->form, BlobForm::kRegular);
  EXPECT_EQ(blob->st.st_size, 5);
  EXPECT_FALSE(blob->payload);
  const auto fd = open_blob(cache.root(), key, blob_id("e"));
  ASSERT_TRUE(fd);
  std::array<char, 5> text{};
  EXPECT_EQ(::read(fd->get(), text.data(), text.size()), 5);
}

TEST_F(BlobStat, LinkIntoTheStore) {
  const XetHash hash = cache.add_shared_file(key, commit_of('a'), "f", "payload");
  const BlobId etag = blob_id(test::sha256_of("payload"));
  const auto blob = stat_blob(cache.root(), key, etag);
  ASSERT_TRUE(blob);
  EXPECT_EQ(blob->form, BlobForm::kShared);
  EXPECT_EQ(blob->payload, hash);
  EXPECT_EQ(blob->st.st_size, 7);
  EXPECT_TRUE(open_blob(cache.root(), key, etag));
  cache.remove(layout::payload(hash));
  EXPECT_EQ(form(etag.text()), BlobForm::kAbsent);
  EXPECT_EQ(open_blob(cache.root(), key, etag).error().kind, ErrorKind::kNotFound);
}

TEST_F(BlobStat, StoreByAnotherSpellingOfTheRoot) {
  const XetHash hash = cache.add_shared_file(key, commit_of('a'), "f", "payload");
  std::filesystem::create_symlink(cache.path(), cache.dir() + "/alias");
  cache.link(kBlobs + "abs", cache.path() + "/" + layout::payload(hash));
  cache.link(kBlobs + "alias", cache.dir() + "/alias/" + layout::payload(hash));
  EXPECT_EQ(form("abs"), BlobForm::kShared);
  EXPECT_EQ(form("alias"), BlobForm::kShared);
}

TEST_F(BlobStat, WhatIsNoBlobIsAbsent) {
  cache.write("elsewhere", "x");
  cache.write(kBlobs + "other", "x");
  cache.link(kBlobs + "dangling", "nowhere");
  cache.link(kBlobs + "outside", "/etc/passwd");
  cache.link(kBlobs + "inside", "../../elsewhere");
  cache.link(kBlobs + "sibling", "other");
  cache.link(kBlobs + "self", "self");
  cache.make_dir(kBlobs + "folder");
  cache.make_fifo(kBlobs + "fifo");
  for (const char* etag : {"none", "dangling", "outside", "inside", "sibling", "self", "folder", "fifo"}) {
    EXPECT_EQ(form(etag), BlobForm::kAbsent) << etag;
    EXPECT_EQ(open_blob(cache.root(), key, blob_id(etag)).error().kind, ErrorKind::kNotFound) << etag;
  }
  // Not even the repo.
  EXPECT_EQ(stat_blob(cache.root(), repo_key("model/none"), blob_id("e"))->form, BlobForm::kAbsent);
}

TEST_F(BlobStat, LinkedBlobsFolderIsNotEntered) {
  cache.write("elsewhere/e", "x");
  cache.link("models--org--name/blobs", "../elsewhere");
  EXPECT_EQ(form("e"), BlobForm::kAbsent);
  EXPECT_FALSE(open_blob(cache.root(), key, blob_id("e")));
}

TEST_F(BlobStat, PayloadThatIsALinkIsAbsent) {
  const XetHash hash = cache.add_shared_file(key, commit_of('a'), "f", "payload");
  cache.link(layout::payload(hash), "/etc/passwd");
  EXPECT_EQ(form(test::sha256_of("payload")), BlobForm::kAbsent);
}

TEST_F(BlobStat, OpensThroughAReplacement) {
  const XetHash hash = cache.add_shared_file(key, commit_of('a'), "f", "payload");
  const std::string path = cache.path() + "/" + layout::blob(key, blob_id("e"));
  // Another client turns the file into a link: for a moment there is neither. On a busy machine that may last longer
  // than anybody waits, so one success of several counts.
  int opened = 0;
  for (int round = 0; round < 20 && opened == 0; ++round) {
    cache.remove(kBlobs + "e");
    std::thread other([&] {
      ::usleep(1500);
      std::filesystem::create_symlink(layout::link_to_payload(hash), path);
    });
    opened += open_blob(cache.root(), key, blob_id("e")) ? 1 : 0;
    other.join();
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace hubfs
