// SPDX-License-Identifier: Apache-2.0
#include "core/cache/disk_use.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/file_io.h"
#include "core/cache/layout.h"
#include "core/cache/state_paths.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::repo_key;
using test::TempCache;

class DiskUseTest : public testing::Test {
 protected:
  [[nodiscard]] std::uint64_t on_disk(const std::string& path) const {
    struct stat st{};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return static_cast<std::uint64_t>(st.st_blocks) * 512;
  }
  [[nodiscard]] std::uint64_t blob_bytes(const RepoKey& key, const BlobId& etag) const {
    return on_disk(cache.path() + "/" + layout::blob(key, etag));
  }
  std::uint64_t total() {
    uses.front().count();
    return total_of(uses);
  }
  // As if everything had been there for long.
  void let_rest() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cache.path())) {
      const timespec times[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
      ASSERT_EQ(::utimensat(AT_FDCWD, entry.path().c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
    }
  }
  static std::uint64_t bytes(const FileUses& files) {
    std::uint64_t sum = 0;
    for (const auto& [file, use] : files) sum += use.bytes;
    return sum;
  }

  TempCache cache;
  const CacheRootPtr root = CacheRoot::open(cache.path(), false).value();
  const RepoKey a = repo_key("model/org/a");
  const RepoKey b = repo_key("dataset/b");
  std::vector<DiskUse> uses = [this] {
    std::vector<DiskUse> all;
    all.emplace_back(root);
    return all;
  }();
};

TEST_F(DiskUseTest, ABlobOfTwoCommitsIsCountedOnceAndPhysically) {
  const std::string content(10'000, 'x');
  const BlobId etag = cache.add_file(a, commit_of('a'), "f.bin", content);
  EXPECT_EQ(cache.add_file(a, commit_of('b'), "sub/f.bin", content), etag);
  EXPECT_EQ(total(), blob_bytes(a, etag));
  EXPECT_GE(total(), 10'000U);
  ASSERT_NE(uses.front().of(a), nullptr);
  EXPECT_EQ(uses.front().of(b), nullptr);
}

TEST_F(DiskUseTest, APayloadOfTwoReposIsOfEachAndOnceInTheTotal) {
  const std::string content(50'000, 'y');
  const XetHash payload = cache.add_shared_file(a, commit_of('a'), "f.bin", content);
  EXPECT_EQ(cache.add_shared_file(b, commit_of('b'), "f.bin", content), payload);
  const std::uint64_t size = on_disk(cache.path() + "/" + layout::payload(payload));
  const std::uint64_t sum = total();
  EXPECT_GE(sum, size);
  EXPECT_LT(sum, size + 30'000) << "the payload once, and a few small files of the store";
  for (const RepoKey& key : {a, b}) EXPECT_GE(bytes(uses.front().of(key)->files), size);
}

TEST_F(DiskUseTest, RealFilesPartialsAndTheTrashCount) {
  cache.write(layout::snapshot_entry(a, commit_of('a'), test::rel_path("real.bin")), std::string(20'000, 'r'));
  const std::uint64_t real = total();
  EXPECT_GE(real, 20'000U);
  ASSERT_TRUE(root->has_state());
  ASSERT_TRUE(make_dirs_at(root->state_fd(), state::partial_dir(b), 0755));
  std::ofstream(root->state_path() + "/" + state::partial_dir(b) + "/x.data") << std::string(30'000, 'p');
  const std::uint64_t with_partial = total();
  EXPECT_GE(with_partial, real + 30'000);
  EXPECT_GE(bytes(uses.front().of(b)->partials), 30'000U);
  ASSERT_TRUE(make_dirs_at(root->state_fd(), std::string(state::kTrash) + "/gone.00000000", 0755));
  std::ofstream(root->state_path() + "/" + state::kTrash + "/gone.00000000/f") << std::string(40'000, 't');
  EXPECT_GE(total(), with_partial + 40'000);
}

TEST_F(DiskUseTest, AHardLinkFromOutsideIsKnown) {
  const BlobId etag = cache.add_file(a, commit_of('a'), "f.bin", std::string(10'000, 'x'));
  ASSERT_EQ(::link((cache.path() + "/" + layout::blob(a, etag)).c_str(), (cache.dir() + "/other").c_str()), 0);
  EXPECT_EQ(total(), blob_bytes(a, etag));
  EXPECT_EQ(uses.front().of(a)->files.begin()->second.names, 2U);
}

TEST_F(DiskUseTest, WhatDidNotChangeIsNotReadAgainAndWhatChangedIs) {
  cache.add_file(a, commit_of('a'), "f.bin", std::string(10'000, 'x'));
  cache.add_file(b, commit_of('a'), "f.bin", std::string(10'000, 'x'));
  let_rest();
  total();
  EXPECT_EQ(uses.front().repos_read(), 2);
  const std::uint64_t before = total();
  EXPECT_EQ(uses.front().repos_read(), 0);
  const BlobId more = cache.add_file(b, commit_of('a'), "g.bin", std::string(20'000, 'z'));
  EXPECT_EQ(total(), before + blob_bytes(b, more));
  EXPECT_EQ(uses.front().repos_read(), 1);
  cache.remove(layout::blob(b, more));
  EXPECT_EQ(total(), before);
}

TEST_F(DiskUseTest, ADownloadThatGrowsIsSeenEachTime) {
  const std::string path = layout::blobs_dir(a) + "/" + std::string(40, 'e') + ".12345678.incomplete";
  cache.write(path, std::string(10'000, 'i'));
  let_rest();
  const std::uint64_t before = total();
  std::ofstream(cache.path() + "/" + path, std::ios::app) << std::string(50'000, 'i');
  EXPECT_GE(total(), before + 40'000);
}

TEST_F(DiskUseTest, ALinkOutOfTheRootIsNotFollowed) {
  std::ofstream(cache.dir() + "/outside") << std::string(100'000, 'o');
  cache.link(layout::blobs_dir(a) + "/" + std::string(40, 'e'), cache.dir() + "/outside");
  cache.make_dir("elsewhere");
  cache.write("elsewhere/big", std::string(100'000, 'o'));
  cache.link(layout::snapshots_dir(a) + "/" + commit_of('a').text(), "../../elsewhere");
  EXPECT_EQ(total(), 0U);
}

}  // namespace
}  // namespace hubfs
