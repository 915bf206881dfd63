// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/content.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/hub/digest.h"
#include "tests/hub/url.h"

namespace hubfs::testing {
namespace {

TEST(Content, SyntheticIsTheSameFromEveryOffset) {
  const auto content = Content::synthetic(3 * 1048576 + 17, 42);
  const std::string all = content->slice(0, content->size());
  ASSERT_EQ(all.size(), content->size());
  for (const std::uint64_t offset : {0U, 1U, 15U, 16U, 1048575U, 1048576U, 1048580U, 2097152U, 3145744U}) {
    EXPECT_EQ(content->slice(offset, 1000), all.substr(offset, 1000)) << offset;
  }
  EXPECT_NE(all.substr(0, 1048576), all.substr(1048576, 1048576));
  EXPECT_NE(Content::synthetic(100, 1)->slice(0, 100), Content::synthetic(100, 2)->slice(0, 100));
  EXPECT_EQ(content->sha256(), sha256_hex(all));
}

TEST(Content, SafetensorsIsValid) {
  const auto content = Content::safetensors(5000, 1);
  ASSERT_EQ(content->size(), 5000U);
  const std::string all = content->slice(0, 5000);
  const auto length = static_cast<unsigned char>(all[0]);
  const auto header = nlohmann::json::parse(all.substr(8, length));
  EXPECT_EQ(header.at("weight").at("data_offsets").at(1).get<std::size_t>() + 8 + length, all.size());
}

TEST(Content, Base64GoesBothWays) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) EXPECT_EQ(base64_decode(base64_encode(text)), text);
  EXPECT_THROW(base64_decode("a"), std::invalid_argument);
}

TEST(Url, Globs) {
  EXPECT_TRUE(glob_match("*/resolve/*.safetensors", "/org/m/resolve/main/a.safetensors"));
  EXPECT_TRUE(glob_match("a?c*", "abc"));
  EXPECT_FALSE(glob_match("a?c", "abcd"));
  EXPECT_FALSE(glob_match("", "a"));
}

TEST(Url, Escapes) {
  EXPECT_EQ(percent_encode("a b/%", "/"), "a%20b/%25");
  EXPECT_EQ(percent_decode("a%20b%2Fc%zz%2"), "a b/c%zz%2");
  EXPECT_EQ(query_value(parse_query("a=1&b=x+y&b=z"), "b"), "x y");
}

}  // namespace
}  // namespace hubfs::testing
