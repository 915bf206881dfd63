// SPDX-License-Identifier: Apache-2.0
#include "core/cache/partial_file.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>

#include "core/base/file_io.h"
#include "core/cache/state_paths.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::blob_id;
using test::commit_of;
using test::ref_name;
using test::rel_path;
using test::repo_key;
using test::TempCache;

class Partial : public testing::Test {
 protected:
  PartialFile open(std::uint64_t size) {
    auto partial =
        PartialFile::open(cache.root(), key, etag, {commit_of('a'), rel_path("a/b"), ref_name("main"), size});
    EXPECT_TRUE(partial);
    return std::move(*partial);
  }
  std::string journal_path() { return cache.root().state_path() + "/" + state::partial_ranges(key, etag); }
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const BlobId etag = blob_id("e");
};

// A name of somebody's file, put where the data would be: it would be cut to the size of the blob.
TEST_F(Partial, AnotherNameOfAFileIsNotTakenForItsData) {
  const std::string data = cache.root().state_path() + "/" + state::partial_data(key, etag);
  std::filesystem::create_directories(std::filesystem::path(data).parent_path());
  cache.write("victim", "kept");
  std::filesystem::create_hard_link(cache.path() + "/victim", data);
  const PartialInfo info{commit_of('a'), rel_path("a/b"), std::nullopt, 1000};
  EXPECT_FALSE(PartialFile::open(cache.root(), key, etag, info));
  EXPECT_EQ(cache.read("victim"), "kept");
  std::filesystem::remove(data);
  std::filesystem::create_symlink(cache.path() + "/victim", data);
  EXPECT_FALSE(PartialFile::open(cache.root(), key, etag, info));
  EXPECT_EQ(cache.read("victim"), "kept");
}

// Text where a number belongs ended the daemon once.
TEST_F(Partial, AJournalOfAnotherKindStartsAnew) {
  for (const char* version : {"\"x\"", "[]", "{}", "1e300", "2", "null"}) {
    const std::string text = std::string("{\"version\":") + version + ",\"size\":1000,\"commit\":\"" + std::string(40, 'a') +
                             "\",\"path\":\"a/b\"}\n";
    std::filesystem::create_directories(std::filesystem::path(journal_path()).parent_path());
    std::ofstream(journal_path(), std::ios::trunc) << text;
    EXPECT_TRUE(list_partials(cache.root(), key).empty()) << text;
    EXPECT_TRUE(open(1000).present().empty()) << text;
  }
}

TEST_F(Partial, RemembersItsRanges) {
  {
    PartialFile partial = open(1000);
    EXPECT_TRUE(partial.present().empty());
    ASSERT_TRUE(partial.record({0, 10}));
    ASSERT_TRUE(partial.record({500, 1000}));
    ASSERT_TRUE(partial.flush_journal());
  }
  EXPECT_EQ(open(1000).present().ranges(), (std::vector<ByteRange>{{0, 10}, {500, 1000}}));
  const auto listed = list_partials(cache.root(), key);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed.at("e").present_bytes, 510U);
  EXPECT_EQ(listed.at("e").info.commit, commit_of('a'));
  EXPECT_EQ(listed.at("e").info.path, rel_path("a/b"));
  EXPECT_EQ(listed.at("e").info.ref, ref_name("main"));
  EXPECT_EQ(list_partial_repos(cache.root()), std::vector{key});
}

TEST_F(Partial, TornOrForgedLinesDoNotCount) {
  {
    PartialFile partial = open(1000);
    ASSERT_TRUE(partial.record({0, 10}));
    ASSERT_TRUE(partial.flush_journal());
  }
  std::ifstream in(journal_path(), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::size_t header = whole.find('\n') + 1;
  for (std::size_t length = header; length < whole.size(); ++length) {
    std::ofstream(journal_path(), std::ios::binary | std::ios::trunc) << whole.substr(0, length);
    EXPECT_TRUE(open(1000).present().empty()) << length;
  }
  std::ofstream(journal_path(), std::ios::binary | std::ios::trunc)
      << whole << "0000000000000000 00000000000003e8 00000000\nnonsense\n";
  EXPECT_EQ(open(1000).present().total(), 10U);
}

TEST_F(Partial, AnotherSizeStartsAnew) {
  {
    PartialFile partial = open(1000);
    ASSERT_TRUE(partial.record({0, 1000}));
    ASSERT_TRUE(partial.flush_journal());
  }
  EXPECT_TRUE(open(1001).present().empty());
}

TEST_F(Partial, DiscardedItIsGoneAndStaysReadableWhereItIsOpen) {
  PartialFile partial = open(4);
  const std::string bytes = "abcd";
  ASSERT_TRUE(pwrite_all(partial.fd(), std::as_bytes(std::span(bytes)), 0));
  ASSERT_TRUE(partial.record({0, 4}));
  ASSERT_TRUE(partial.flush_journal());
  partial.discard();
  EXPECT_TRUE(list_partial_repos(cache.root()).empty());
  std::array<std::byte, 4> read{};
  ASSERT_TRUE(pread_all(partial.fd(), read, 0));
  EXPECT_EQ(std::memcmp(read.data(), bytes.data(), 4), 0);
}

// What two mounts of one cache do at the same time: neither may write where the other publishes.
TEST_F(Partial, WhileOneWorksOnItAnotherGetsOneOfItsOwn) {
  std::optional<PartialFile> first = open(1000);
  ASSERT_TRUE(first->record({0, 10}));
  ASSERT_TRUE(first->flush_journal());
  {
    PartialFile second = open(1000);
    EXPECT_NE(second.data_path(), first->data_path());
    EXPECT_TRUE(second.present().empty());
    ASSERT_TRUE(second.record({500, 600}));
    ASSERT_TRUE(second.flush_journal());
  }
  const auto listed = list_partials(cache.root(), key);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed.begin()->second.present_bytes, 10U);
  first.reset();
  EXPECT_EQ(open(1000).present().total(), 10U) << "free again, and kept";
}

TEST_F(Partial, ALongJournalIsWrittenAnew) {
  {
    PartialFile partial = open(1000);
    for (std::uint64_t at = 0; at < 500; ++at) {
      ASSERT_TRUE(partial.record({at, at + 1}));
      ASSERT_TRUE(partial.flush_journal());
    }
  }
  const auto before = std::filesystem::file_size(journal_path());
  EXPECT_EQ(open(1000).present().total(), 500U);
  EXPECT_LT(std::filesystem::file_size(journal_path()), before / 10);
  EXPECT_EQ(open(1000).present().total(), 500U);
}

TEST_F(Partial, GoesWithoutTrace) {
  {
    PartialFile partial = open(10);
    ASSERT_TRUE(partial.record({0, 1}));
    ASSERT_TRUE(partial.flush_journal());
  }
  remove_partial(cache.root(), key, etag);
  EXPECT_TRUE(list_partials(cache.root(), key).empty());
  EXPECT_TRUE(list_partial_repos(cache.root()).empty());
  remove_partial(cache.root(), key, etag);
}

TEST_F(Partial, NeedsStateToWriteTo) {
  cache.chmod("", 0555);
  EXPECT_TRUE(test::as_ordinary_user([&] {
    const auto root = CacheRoot::open(cache.path(), false);
    const auto partial = PartialFile::open(**root, key, etag, {commit_of('a'), rel_path("a"), std::nullopt, 1});
    return !partial && partial.error().kind == ErrorKind::kAccessDenied && list_partials(**root, key).empty();
  }));
}

}  // namespace
}  // namespace hubfs
