// SPDX-License-Identifier: Apache-2.0
#include "core/hub/listing_json.h"

#include <gtest/gtest.h>

namespace hubfs {
namespace {

const std::string kOid(40, 'a');
const std::string kSha(64, 'b');
const std::string kXet(64, 'd');

std::string file(const std::string& path, const std::string& more = "", const std::string& size = "5") {
  return R"({"type":"file","path":")" + path + R"(","oid":")" + kOid + R"(","size":)" + size + more + "}";
}
std::string lfs(const std::string& oid, const std::string& size) {
  return R"(,"lfs":{"oid":")" + oid + R"(","size":)" + size + R"(,"pointerSize":130})";
}

Result<Listing> parse(const std::string& json, std::size_t max_files = 100) {
  ListingBuilder builder(max_files);
  if (auto added = builder.add_page(json); !added) return std::unexpected(added.error());
  return builder.finish();
}

void expect_refused(const std::string& json) {
  const auto listing = parse(json);
  ASSERT_FALSE(listing) << json;
  EXPECT_EQ(listing.error().kind, ErrorKind::kBadContent);
}

TEST(ListingJson, ReadsWhatTheHubWrites) {
  const std::string page =
      "[" + file("README.md") + R"(,{"type":"directory","path":"sub","oid":")" + kOid + R"(","size":0},)" +
      file("sub/m.safetensors", lfs(kSha, "1000") + R"(,"xetHash":")" + kXet + "\"", "1000") + "," +
      file("n", R"(,"lfs":null,"xetHash":null,"lastCommit":{"id":"x","deep":[[{"oid":1}]]})") + "]";
  const auto listing = parse(page);
  ASSERT_TRUE(listing) << listing.error().message;
  ASSERT_EQ(listing->size(), 3U);
  const ListedFile& m = listing->at("sub/m.safetensors");
  EXPECT_EQ(m.size, 1000U);
  EXPECT_EQ(m.etag(), kSha);
  EXPECT_EQ(m.git_oid, kOid);
  EXPECT_EQ(m.xet_hash->text(), kXet);
  EXPECT_EQ(listing->at("README.md").etag(), kOid);
  EXPECT_FALSE(listing->at("n").lfs_sha256);
}

TEST(ListingJson, CutAtEveryByteIsRefused) {
  const std::string page = "[" + file("a") + "," + file("b/c", lfs(kSha, "1000"), "1000") + "]";
  ASSERT_TRUE(parse(page));
  for (std::size_t length = 0; length < page.size(); ++length) expect_refused(page.substr(0, length));
}

TEST(ListingJson, EveryByteChangedIsRefusedOrHarmless) {
  const std::string page = "[" + file("a") + "," + file("b/c", lfs(kSha, "1000"), "1000") + "]";
  for (std::size_t at = 0; at < page.size(); ++at) {
    for (const char c : {'\0', '"', '{', '[', ']', '9', '-', '\\', '\xff', '/', '.'}) {
      std::string changed = page;
      changed[at] = c;
      const auto listing = parse(changed);
      if (!listing) continue;
      for (const auto& [path, entry] : *listing) EXPECT_TRUE(RelPath::parse(path));
    }
  }
}

TEST(ListingJson, RefusesWrongShapes) {
  for (const char* json : {"", "{}", "null", "1", "\"x\"", "[1]", "[[]]", "[null]", "[{}]", "[{\"type\":\"file\"}]",
                           "[]x", "[],[]", "[{\"type\":1,\"path\":\"a\"}]", "[{\"type\":\"file\",\"path\":[]}]",
                           "[{\"type\":\"file\",\"path\":{}}]", "\xef\xbb\xbf[1]", "{\"error\":\"x\"}"}) {
    expect_refused(json);
  }
  EXPECT_TRUE(parse("[]"));
  expect_refused("[" + file("a", R"(,"lfs":[])") + "]");
  expect_refused("[" + file("a", R"(,"lfs":"x")") + "]");
  expect_refused("[" + file("a", R"(,"lfs":{})") + "]");
  expect_refused("[" + file("a", R"(,"lfs":{"oid":{"x":1},"size":5})") + "]");
  expect_refused("[" + file("a", R"(,"oid":5)") + "]");
}

TEST(ListingJson, RefusesAbsurdSizesAndHashes) {
  for (const char* size :
       {"-1", "1.5", "1e3", "\"5\"", "null", "true", "1152921504606846977", "99999999999999999999999"}) {
    expect_refused("[" + file("a", "", size) + "]");
    expect_refused("[" + file("a", lfs(kSha, size)) + "]");
  }
  EXPECT_TRUE(parse("[" + file("a", "", "1152921504606846976") + "]"));
  EXPECT_TRUE(parse("[" + file("a", "", "0") + "]"));
  for (const std::string& bad : {std::string(64, 'B'), std::string(63, 'b'), std::string("../../x"), std::string()}) {
    expect_refused("[" + file("a", lfs(bad, "5")) + "]");
    expect_refused("[" + file("a", R"(,"oid":")" + bad + "\"") + "]");
    const auto listing = parse("[" + file("a", R"(,"xetHash":")" + bad + "\"") + "]");
    ASSERT_TRUE(listing) << "a wrong Xet hash costs only itself";
    EXPECT_FALSE(listing->at("a").xet_hash);
  }
  EXPECT_TRUE(parse("[" + file("a", R"(,"xetHash":5)") + "]"));
}

TEST(ListingJson, RefusesPathsThatLeadElsewhere) {
  for (const char* path :
       {"..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "", ".", "a/./b", "a\\u0000b", "a\\\\..\\\\b"}) {
    expect_refused("[" + file(path) + "]");
    expect_refused(R"([{"type":"directory","path":")" + std::string(path) + R"("}])");
  }
  expect_refused("[" + file(std::string(256, 'a')) + "]");
  const auto refused = parse("[" + file("../\\u001b[31m\\n") + "]");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("../"), std::string::npos);
  EXPECT_EQ(refused.error().message.find('\x1b'), std::string::npos);
}

TEST(ListingJson, RefusesDuplicatesAndClashes) {
  expect_refused("[" + file("a") + "," + file("a") + "]");
  expect_refused("[" + file("a") + "," + file("a/b") + "]");
  expect_refused("[" + file("a/b/c") + "," + file("a-b") + "," + file("a") + "]");
  expect_refused("[" + file("x/a/b") + "," + file("x/a") + "]");
  expect_refused("[" + file("a") + R"(,{"type":"directory","path":"a"}])");
  EXPECT_TRUE(parse("[" + file("a") + "," + file("a-b") + "," + file("a.b/c") + "]"));
  ListingBuilder builder(100);
  ASSERT_TRUE(builder.add_page("[" + file("a") + "]"));
  EXPECT_FALSE(builder.add_page("[" + file("a") + "]"));
}

TEST(ListingJson, BoundsDepthAndNumber) {
  expect_refused(std::string(100'000, '['));
  expect_refused("[" + file("a", R"(,"x":)" + std::string(1000, '[') + std::string(1000, ']')) + "]");
  expect_refused("[" + file("a", R"(,"x":)" + std::string(100'000, '[')) + "]");
  EXPECT_TRUE(parse("[" + file("a") + "," + file("b") + "]", 2));
  EXPECT_FALSE(parse("[" + file("a") + "," + file("b") + "," + file("c") + "]", 2));
}

}  // namespace
}  // namespace hubfs
