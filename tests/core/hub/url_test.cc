// SPDX-License-Identifier: Apache-2.0
#include "core/hub/url.h"

#include <gtest/gtest.h>

namespace hubfs {
namespace {

TEST(OriginOf, FillsInPortsAndLowersCase) {
  EXPECT_EQ(origin_of("https://Hugging.CO/a"), (Origin{"https", "hugging.co", 443}));
  EXPECT_EQ(origin_of("HTTP://h:8080"), (Origin{"http", "h", 8080}));
  EXPECT_EQ(origin_of("http://h?x"), (Origin{"http", "h", 80}));
  EXPECT_EQ(origin_of("http://[::1]:99/x"), (Origin{"http", "[::1]", 99}));
  EXPECT_EQ(origin_of("http://[::1]"), (Origin{"http", "[::1]", 80}));
  EXPECT_EQ(origin_of("http://h")->text(), "http://h:80");
}

TEST(OriginOf, RefusesWhatCouldBeReadInTwoWays) {
  for (const char* url : {"",
                          "h",
                          "//h/x",
                          "/x",
                          "http:",
                          "http://",
                          "http:///x",
                          "http:/h",
                          "http:h",
                          "ftp://h/",
                          "file:///etc",
                          "http://a@h/",
                          "http://a:b@h/",
                          "http://h\\@x/",
                          "http://h /",
                          "http://h\t/",
                          "http://h:0/",
                          "http://h:65536/",
                          "http://h:/",
                          "http://h:8x/",
                          "http://h:-1/",
                          "http://h%2e.x/",
                          "http://h\xc3\xa9/",
                          "http://[::1/",
                          "http://[g]/",
                          "http://[]/",
                          "http://[::1]x/",
                          "http://.h/",
                          "http://-h/",
                          "http://h\x7f/",
                          "javascript:alert(1)"}) {
    EXPECT_FALSE(origin_of(url)) << url;
  }
  EXPECT_FALSE(origin_of("http://" + std::string(300, 'a') + "/"));
  EXPECT_FALSE(origin_of("http://h/" + std::string(100'000, 'a')));
}

TEST(ResolveUrl, FollowsTheRfcsExamples) {
  const std::string base = "http://a/b/c/d;p?q";
  const std::pair<const char*, const char*> rows[] = {
      {"g", "http://a/b/c/g"},       {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},     {"/g", "http://a/g"},
      {"//g", "http://g"},           {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},   {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},     {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},     {"g;x", "http://a/b/c/g;x"},
      {"", "http://a/b/c/d;p?q"},    {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},       {"..", "http://a/b/"},
      {"../", "http://a/b/"},        {"../g", "http://a/b/g"},
      {"../..", "http://a/"},        {"../../", "http://a/"},
      {"../../g", "http://a/g"},     {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},        {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},     {"..g", "http://a/b/c/..g"},
      {"g/./h", "http://a/b/c/g/h"}, {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"https://x/y", "https://x/y"}};
  for (const auto& [location, expected] : rows) EXPECT_EQ(resolve_url(base, location), expected) << location;
  EXPECT_EQ(resolve_url("http://h", "x"), "http://h/x");
  EXPECT_EQ(resolve_url("http://h?q", "x"), "http://h/x");
}

TEST(ResolveUrl, LeavesSignedQueriesAloneAndRepairsWhatServersForget) {
  const std::string signed_url = "https://cdn/x?Signature=a%2Bb~&Expires=1";
  EXPECT_EQ(resolve_url("http://h/", signed_url), signed_url);
  EXPECT_EQ(resolve_url("http://h/", "/a b\xc3\xa9"), "http://h/a%20b%C3%A9");
  EXPECT_EQ(resolve_url("http://h/", "  /a "), "http://h/a");
}

TEST(ResolveUrl, RefusesOtherSchemesAndControlCharacters) {
  for (const char* location : {"file:///etc/passwd", "ftp://h/", "javascript:x", "http:x", "http://a@h/", "//a@h/",
                               "/a\r\nX: y", "mailto:a", "data:,x", "HTTP://\\h/"}) {
    EXPECT_FALSE(resolve_url("http://h/", location)) << location;
  }
  EXPECT_FALSE(resolve_url("not an address", "/x"));
}

TEST(UrlEncode, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(url_encode("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(url_encode("a/b c?#%&+\n.-_~", true), "a/b%20c%3F%23%25%26%2B%0A.-_~");
  EXPECT_EQ(url_encode("\xc3\xa9", true), "%C3%A9");
}

}  // namespace
}  // namespace hubfs
