// SPDX-License-Identifier: Apache-2.0
#include "core/hub/answer.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace hubfs {
namespace {

using std::chrono::seconds;

HttpHead head(int status, std::map<std::string, std::string, std::less<>> headers = {}) {
  return {status, std::move(headers)};
}

ErrorKind kind_of(int status, bool token, const std::string& code = "") {
  return classify_answer(head(status, {{"x-error-code", code}}), token, "model/a/b").error.kind;
}

TEST(ClassifyAnswer, TheCodeDecidesBeforeTheStatus) {
  for (const int status : {200, 400, 401, 403, 404, 429, 500}) {
    for (const bool token : {false, true}) {
      EXPECT_EQ(kind_of(status, token, "RepoNotFound"), ErrorKind::kNotFound);
      EXPECT_EQ(kind_of(status, token, "RevisionNotFound"), ErrorKind::kNotFound);
      EXPECT_EQ(kind_of(status, token, "EntryNotFound"), ErrorKind::kNotFound);
      EXPECT_EQ(kind_of(status, token, "GatedRepo"), ErrorKind::kAccessDenied);
      EXPECT_FALSE(classify_answer(head(status, {{"x-error-code", "GatedRepo"}}), token, "x").retryable);
    }
  }
  EXPECT_EQ(kind_of(403, false, "SomethingNew"), ErrorKind::kAccessDenied);
}

TEST(ClassifyAnswer, WithoutACodeTheStatusDecides) {
  EXPECT_EQ(kind_of(404, false), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(401, false), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of(401, true), ErrorKind::kAccessDenied);
  EXPECT_EQ(kind_of(403, false), ErrorKind::kAccessDenied);
  for (const int status :
       {300, 304, 400, 402, 405, 408, 409, 410, 416, 418, 429, 451, 500, 502, 503, 504, 599, 600, 999}) {
    EXPECT_EQ(kind_of(status, true), ErrorKind::kBadContent) << status;
    const bool retry = status == 408 || status == 429 || (status >= 500 && status < 600);
    EXPECT_EQ(classify_answer(head(status), true, "x").retryable, retry) << status;
  }
}

TEST(ClassifyAnswer, SaysItInWords) {
  const auto disabled =
      classify_answer(head(403, {{"x-error-message", "Access to this resource is disabled."}}), true, "m");
  EXPECT_EQ(disabled.error.kind, ErrorKind::kAccessDenied);
  EXPECT_NE(disabled.error.message.find("disabled"), std::string::npos);
  const auto error = classify_answer(
      head(404, {{"x-error-code", "RepoNotFound"}, {"x-error-message", "a\x1b[31m\x07" + std::string(500, 'z')}}),
      false, "model/org/x");
  EXPECT_EQ(error.http_status, 404);
  EXPECT_TRUE(error.error.message.starts_with("model/org/x: ")) << error.error.message;
  EXPECT_EQ(error.error.message.find('\x1b'), std::string::npos);
  EXPECT_NE(error.error.message.find("404"), std::string::npos);
  EXPECT_LT(error.error.message.size(), 400U);
}

std::optional<seconds> wait(int status, const std::string& retry_after, const std::string& rate_limit = "") {
  return classify_answer(head(status, {{"retry-after", retry_after}, {"ratelimit", rate_limit}}), false, "x")
      .retry_after;
}

TEST(ClassifyAnswer, KnowsHowLongToWait) {
  EXPECT_EQ(wait(429, ""), std::nullopt);
  EXPECT_EQ(wait(503, "0"), seconds(1));
  EXPECT_EQ(wait(429, " 7 "), seconds(8));
  EXPECT_EQ(wait(429, "-7"), std::nullopt);
  EXPECT_EQ(wait(429, "7.5"), std::nullopt);
  EXPECT_EQ(wait(429, "Wed, 21 Oct 2015 07:28:00 GMT"), std::nullopt);
  EXPECT_EQ(wait(429, "100000"), seconds(300));
  EXPECT_EQ(wait(429, "99999999999999999999999999"), seconds(300));
  EXPECT_EQ(wait(429, "18446744073709551615"), seconds(300));
  EXPECT_EQ(wait(404, "7"), std::nullopt);
  EXPECT_EQ(wait(429, "7", "\"api\";r=0;t=55"), seconds(56));
  EXPECT_EQ(wait(429, "7", "\"api\"; r=0 ; t=5"), seconds(6));
  EXPECT_EQ(wait(429, "7", "\"api\";r=3;t=55"), seconds(8));
  EXPECT_EQ(wait(429, "", "\"api\";r=0"), std::nullopt);
  EXPECT_EQ(wait(429, "", ";;;,,r=0;t=-1"), std::nullopt);
  EXPECT_EQ(wait(503, "7", "\"api\";r=0;t=55"), seconds(8));
}

TEST(TransportError, TellsWhatAnotherTryMayMend) {
  EXPECT_TRUE(transport_error({ErrorKind::kUnreachable, "h", 0}, "x").retryable);
  EXPECT_TRUE(transport_error({ErrorKind::kTimeout, "h", 0}, "x").retryable);
  EXPECT_TRUE(transport_error({ErrorKind::kBadContent, "h", ECONNRESET}, "x").retryable);
  EXPECT_FALSE(transport_error({ErrorKind::kBadContent, "h", 0}, "x").retryable);
  EXPECT_FALSE(transport_error({ErrorKind::kInterrupted, "h", 0}, "x").retryable);
}

}  // namespace
}  // namespace hubfs
