// SPDX-License-Identifier: Apache-2.0
#include "core/hub/range_answer.h"

#include <gtest/gtest.h>

namespace hubfs {
namespace {

RangeRequest asked(std::uint64_t first, std::uint64_t last) {
  return {{RepoType::kModel, *RepoId::parse("a/b")},
          *CommitHash::parse(std::string(40, 'c')),
          *RelPath::parse("f"),
          1000,
          first,
          last};
}
HttpHead partial(const std::string& range, const std::string& length = "") {
  HttpHead head{206, {{"content-range", range}}};
  if (!length.empty()) head.headers["content-length"] = length;
  return head;
}

TEST(RangeAnswer, AcceptsWhatWasAsked) {
  for (const char* range : {"bytes 10-19/1000", "bytes 10-19/*", "Bytes 10-19/1000", "bytes  10 - 19 / 1000 "}) {
    const auto plan = check_range_answer(partial(range, "10"), asked(10, 19));
    ASSERT_TRUE(plan) << range << ": " << plan.error();
    EXPECT_EQ(plan->deliver, 10U);
    EXPECT_TRUE(plan->covers_all);
  }
  const auto shorter = check_range_answer(partial("bytes 10-14/1000"), asked(10, 19));
  ASSERT_TRUE(shorter);
  EXPECT_EQ(shorter->deliver, 5U);
  EXPECT_FALSE(shorter->covers_all);
}

TEST(RangeAnswer, RefusesOtherRangesAndSizes) {
  for (const char* range :
       {"bytes 9-19/1000", "bytes 11-19/1000", "bytes 10-20/1000", "bytes 10-19/999", "bytes 10-19/1001",
        "bytes 10-9/1000", "10-19/1000", "bytes */1000", "bytes 10-19", "bytes 10/1000", "", "bytes -19/1000",
        "bytes 10-19/abc", "bytes 99999999999999999999-19/1000", "bytes 10/-19", "items 10-19/1000"}) {
    EXPECT_FALSE(check_range_answer(partial(range), asked(10, 19))) << range;
  }
  EXPECT_FALSE(check_range_answer(partial("bytes 10-19/1000", "11"), asked(10, 19)));
}

TEST(RangeAnswer, AWholeFileServesOnlyFromItsStart) {
  HttpHead whole{200, {{"content-length", "1000"}}};
  EXPECT_FALSE(check_range_answer(whole, asked(10, 19)));
  const auto plan = check_range_answer(whole, asked(0, 19));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->deliver, 20U);
  EXPECT_TRUE(plan->may_run_on);
  EXPECT_FALSE(check_range_answer(whole, asked(0, 999))->may_run_on);
  EXPECT_TRUE(check_range_answer({200, {}}, asked(0, 19)));
  for (const char* length : {"999", "1001", "-1", "x"}) {
    EXPECT_FALSE(check_range_answer({200, {{"content-length", length}}}, asked(0, 19))) << length;
  }
  for (const int status : {201, 204, 203}) EXPECT_FALSE(check_range_answer({status, {}}, asked(0, 19)));
}

TEST(RangeAnswer, RefusesEncodings) {
  HttpHead head = partial("bytes 10-19/1000");
  for (const char* encoding : {"gzip", "br", "GZIP", "identity, gzip"}) {
    head.headers["content-encoding"] = encoding;
    EXPECT_FALSE(check_range_answer(head, asked(10, 19))) << encoding;
  }
  head.headers["content-encoding"] = "Identity";
  EXPECT_TRUE(check_range_answer(head, asked(10, 19)));
}

TEST(FileHead, ComesFromTheHubsHeaders) {
  EXPECT_FALSE(describes_file({200, {{"etag", "x"}}}));
  EXPECT_TRUE(describes_file({200, {{"x-repo-commit", "x"}}}));
  const std::string hash(64, 'a');
  const FileHead head = file_head(
      {302,
       {{"etag", "\"cdn\""}, {"x-linked-etag", "\"" + hash + "\""}, {"x-xet-hash", hash}, {"x-linked-size", "7"}}});
  EXPECT_EQ(head.etag, hash);
  EXPECT_EQ(head.xet_hash->text(), hash);
  EXPECT_EQ(head.size, 7U);
}

TEST(FileHead, EtagsAreNormalisedAndChecked) {
  const auto etag = [](const char* text) { return file_head({200, {{"etag", text}}}).etag; };
  EXPECT_EQ(etag("W/\"abc\""), "abc");
  EXPECT_EQ(etag("\"abc\""), "abc");
  EXPECT_EQ(etag("abc"), "abc");
  for (const char* bad : {"\"../../escaped\"", "\"ab/cd\"", "\"\"", "", "W/", "\"a.lock\"", "\".x\"", "\"a\x01\""}) {
    EXPECT_EQ(etag(bad), "") << bad;
  }
}

}  // namespace
}  // namespace hubfs
