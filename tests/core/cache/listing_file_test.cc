// SPDX-License-Identifier: Apache-2.0
#include "core/cache/listing_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cache/layout.h"
#include "core/cache/state_paths.h"
#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::commit_of;
using test::repo_key;
using test::TempCache;
using testing::HasSubstr;

const std::string kOid(40, '1');
const std::string kSha(64, '2');
const std::string kXet(64, '3');

// As huggingface_hub 2.4.0 writes it.
const std::string kPythons = R"({
 "format_version": 1,
 "files": {
  "config.json": {
   "size": 8,
   "blob_id": ")" + kOid + R"("
  },
  "model.safetensors": {
   "size": 1000000,
   "blob_id": ")" + kOid + R"(",
   "lfs_sha256": ")" + kSha + R"(",
   "lfs_size": 1000000,
   "xet_hash": ")" + kXet + R"("
  },
  "\u00fc\n\"": {
   "size": 0,
   "blob_id": ")" + kOid + R"("
  }
 }
})";

std::string one_file(const std::string& path, const std::string& fields) {
  return R"({"format_version": 1, "files": {")" + path + R"(": {)" + fields + "}}}";
}
std::string good_fields() { return R"("size": 1, "blob_id": ")" + kOid + "\""; }

std::string why_refused(const std::string& text) {
  const auto listing = parse_listing(text);
  if (listing) return "accepted";
  EXPECT_EQ(listing.error().kind, ErrorKind::kInvalid);
  return listing.error().message;
}

TEST(ListingFile, ReadsAndWritesPythonsBytes) {
  const auto listing = parse_listing(kPythons);
  ASSERT_TRUE(listing) << listing.error().message;
  ASSERT_EQ(listing->size(), 3U);
  const ListedFile& model = listing->at("model.safetensors");
  EXPECT_EQ(model.size, 1000000U);
  EXPECT_EQ(model.etag(), kSha);
  EXPECT_EQ(model.xet_hash->text(), kXet);
  EXPECT_EQ(listing->at("config.json").etag(), kOid);
  EXPECT_TRUE(listing->contains("\xc3\xbc\n\""));
  EXPECT_EQ(format_listing(*listing), kPythons);
}

TEST(ListingFile, EmptyListing) {
  const auto listing = parse_listing(R"({"format_version": 1, "files": {}})");
  ASSERT_TRUE(listing);
  EXPECT_TRUE(listing->empty());
  EXPECT_EQ(format_listing({}), "{\n \"format_version\": 1,\n \"files\": {}\n}");
}

TEST(ListingFile, CutAnywhereItIsRefused) {
  for (std::size_t length = 0; length < kPythons.size(); ++length) {
    EXPECT_FALSE(parse_listing(std::string_view(kPythons).substr(0, length))) << length;
  }
  EXPECT_FALSE(parse_listing(kPythons + "x"));
}

TEST(ListingFile, DamagedAnywhereItNeverCrashes) {
  for (std::size_t at = 0; at < kPythons.size(); ++at) {
    for (const char c : {'\0', '"', '{', '}', '[', '9', '-', '\xff'}) {
      std::string text = kPythons;
      text[at] = c;
      static_cast<void>(parse_listing(text));
    }
  }
}

TEST(ListingFile, UnknownMembersAreSkipped) {
  const std::string text =
      R"({"extra": [1, {"size": "x"}], "files": {"a": {"size": 1, "new": {"blob_id": 7}, "blob_id": ")" + kOid +
      R"(", "xet_hash": null, "lfs_sha256": null, "lfs_size": null}}, "format_version": 1})";
  const auto listing = parse_listing(text);
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_EQ(listing->at("a").size, 1U);
}

TEST(ListingFile, RefusedWhole) {
  EXPECT_THAT(why_refused("{}"), HasSubstr("format_version"));
  EXPECT_THAT(why_refused(R"({"format_version": 2, "files": {}})"), HasSubstr("format_version"));
  EXPECT_THAT(why_refused(R"({"format_version": "1", "files": {}})"), HasSubstr("format_version"));
  EXPECT_THAT(why_refused(R"({"format_version": 1})"), HasSubstr("no files"));
  EXPECT_THAT(why_refused(R"({"format_version": 1, "files": []})"), HasSubstr("array"));
  EXPECT_THAT(why_refused(R"({"format_version": 1, "files": null})"), HasSubstr("no object"));
  EXPECT_THAT(why_refused(R"({"format_version": 1, "files": {"a": 1}})"), HasSubstr("no object"));
  EXPECT_THAT(why_refused(R"({"format_version": 1, "files": {"a": [1]}})"), HasSubstr("array"));
  EXPECT_THAT(why_refused("[]"), HasSubstr("array"));
  EXPECT_THAT(why_refused("1"), HasSubstr("no object"));
  EXPECT_THAT(why_refused("nonsense"), HasSubstr("bad JSON"));
  EXPECT_THAT(why_refused(one_file("a", R"("blob_id": ")" + kOid + "\"")), HasSubstr("no size"));
  EXPECT_THAT(why_refused(one_file("a", R"("size": 1)")), HasSubstr("no blob_id"));
  EXPECT_THAT(why_refused(one_file("a", R"("size": -1, "blob_id": ")" + kOid + "\"")), HasSubstr("bad size"));
  EXPECT_THAT(why_refused(one_file("a", R"("size": 1.5, "blob_id": ")" + kOid + "\"")), HasSubstr("bad size"));
  EXPECT_THAT(why_refused(one_file("a", R"("size": null, "blob_id": ")" + kOid + "\"")), HasSubstr("bad size"));
  EXPECT_THAT(why_refused(one_file("a", R"("size": 18446744073709551615, "blob_id": ")" + kOid + "\"")),
              HasSubstr("bad size"));
  EXPECT_THAT(why_refused(one_file("a", R"("size": 1, "blob_id": "../../x")")), HasSubstr("bad blob_id"));
  EXPECT_THAT(why_refused(one_file("a", good_fields() + R"(, "lfs_sha256": "x")")), HasSubstr("bad lfs_sha256"));
  EXPECT_THAT(why_refused(one_file("a", good_fields() + R"(, "xet_hash": "XYZ")")), HasSubstr("bad xet_hash"));
  EXPECT_THAT(why_refused(one_file("a", good_fields() + R"(, "xet_hash": 5)")), HasSubstr("bad xet_hash"));
  for (const char* path : {"", "/a", "../a", "a/../b", "a//b", "a/", "a\\u0000b"}) {
    EXPECT_THAT(why_refused(one_file(path, good_fields())), HasSubstr("not a path")) << path;
  }
}

TEST(ListingFile, RefusesClashesAndDuplicates) {
  const auto files = [](const std::string& paths) { return R"({"format_version": 1, "files": {)" + paths + "}}"; };
  const auto file = [](const std::string& path) { return "\"" + path + "\": {" + good_fields() + "}"; };
  EXPECT_THAT(why_refused(files(file("a") + "," + file("a"))), HasSubstr("twice"));
  EXPECT_THAT(why_refused(files(file("a") + "," + file("a/b"))), HasSubstr("both a file and a folder"));
  EXPECT_THAT(why_refused(files(file("a") + "," + file("a-b") + "," + file("a.c") + "," + file("a/b/c"))),
              HasSubstr("both"));
  EXPECT_THAT(why_refused(files(file("x/a/b") + "," + file("x/a/b/c/d"))), HasSubstr("both"));
  EXPECT_EQ(why_refused(files(file("a") + "," + file("a-b/c") + "," + file("ab/c") + "," + file("ab/d"))), "accepted");
}

TEST(ListingFile, DeepNestingIsRefusedAndNotRecursedInto) {
  std::string deep = R"({"format_version": 1, "x": )" + std::string(1'000'000, '[');
  EXPECT_THAT(why_refused(deep), HasSubstr("too deep"));
  deep = R"({"format_version": 1, "files": {"a": {"b": )" + std::string(100, '[') + std::string(100, ']') + "}}}";
  EXPECT_THAT(why_refused(deep), HasSubstr("too deep"));
}

class ListingOnDisk : public testing::Test {
 protected:
  TempCache cache;
  const RepoKey key = repo_key("model/org/name");
  const CommitHash commit = commit_of('a');
  const Listing listing = parse_listing(kPythons).value();
};

TEST_F(ListingOnDisk, WritesWhereOthersReadAndReadsBack) {
  cache.make_dir("models--org--name");
  ASSERT_TRUE(write_listing(cache.root(), key, commit, listing));
  EXPECT_EQ(cache.read(layout::listing(key, commit)), kPythons);
  EXPECT_EQ(cache.mode(layout::listing(key, commit)), 0640U);
  std::string problem = "none";
  const auto back = read_listing(cache.root(), key, commit, &problem);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size(), 3U);
  EXPECT_EQ(problem, "none");
}

TEST_F(ListingOnDisk, PrivateRepoKeepsItsListingPrivate) {
  cache.make_dir("models--org--name");
  cache.chmod("models--org--name", 0700);
  ASSERT_TRUE(write_listing(cache.root(), key, commit, listing));
  EXPECT_EQ(cache.mode(layout::listing(key, commit)), 0600U);
}

TEST_F(ListingOnDisk, NoRepoNoListing) {
  EXPECT_EQ(write_listing(cache.root(), key, commit, listing).error().kind, ErrorKind::kNotFound);
  std::string problem;
  EXPECT_FALSE(read_listing(cache.root(), key, commit, &problem));
  EXPECT_EQ(problem, "");
  EXPECT_FALSE(cache.exists("models--org--name"));
}

TEST_F(ListingOnDisk, UnusableOnesAreExplained) {
  const std::string path = layout::listing(key, commit);
  const auto problem_of = [&] {
    std::string problem;
    EXPECT_FALSE(read_listing(cache.root(), key, commit, &problem));
    return problem;
  };
  cache.write(path, "{");
  EXPECT_THAT(problem_of(), HasSubstr("bad JSON"));
  cache.write(path, "");
  EXPECT_THAT(problem_of(), HasSubstr("bad JSON"));
  cache.remove(path);
  cache.make_dir(path);
  EXPECT_THAT(problem_of(), HasSubstr("not a regular file"));
  cache.remove(path);
  cache.make_fifo(path);
  EXPECT_THAT(problem_of(), HasSubstr("not a regular file"));
  cache.remove(path);
  cache.link(path, "/etc/passwd");
  EXPECT_THAT(problem_of(), HasSubstr("cannot be read"));
}

TEST_F(ListingOnDisk, LargerThanTheReadersBuffer) {
  Listing large;
  for (int i = 0; i < 5000; ++i) {
    ListedFile file;
    file.size = static_cast<std::uint64_t>(i);
    file.git_oid = kOid;
    large.emplace("folder/file-" + std::to_string(i), file);
  }
  cache.make_dir("models--org--name");
  ASSERT_TRUE(write_listing(cache.root(), key, commit, large));
  const auto back = read_listing(cache.root(), key, commit);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size(), 5000U);
  EXPECT_EQ(back->at("folder/file-4999").size, 4999U);
}

TEST_F(ListingOnDisk, PrivateListingLeavesNoTraceInTheCache) {
  static_cast<void>(cache.root());
  const auto before = cache.names();
  EXPECT_FALSE(read_private_listing(cache.root(), key, commit));
  ASSERT_TRUE(write_private_listing(cache.root(), key, commit, listing));
  EXPECT_EQ(read_private_listing(cache.root(), key, commit)->size(), 3U);
  EXPECT_EQ(cache.names(), before);
}

}  // namespace
}  // namespace hubfs
