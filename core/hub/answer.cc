// SPDX-License-Identifier: Apache-2.0
#include "core/hub/answer.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/hub/text.h"

namespace hubfs {

namespace {

constexpr std::uint64_t kLongestWait = 300;
constexpr std::size_t kMaxWords = 200;

struct Verdict {
  ErrorKind kind;
  std::string_view words;
};

std::optional<Verdict> verdict_of_code(std::string_view code) {
  struct Row {
    std::string_view code;
    Verdict verdict;
  };
  static constexpr std::array<Row, 4> kRows{{
      {"RepoNotFound", {ErrorKind::kNotFound, "no such repo on the Hub, or no access to it"}},
      {"RevisionNotFound", {ErrorKind::kNotFound, "no such revision on the Hub"}},
      {"EntryNotFound", {ErrorKind::kNotFound, "no such file on the Hub"}},
      {"GatedRepo", {ErrorKind::kAccessDenied, "gated: accept its terms on the Hub and give hubfs a token"}},
  }};
  const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.code == code; });
  if (row == kRows.end()) return std::nullopt;
  return row->verdict;
}

Verdict verdict_of_status(const HttpHead& head, bool had_token) {
  if (head.header("x-error-message") == "Access to this resource is disabled.") {
    return {ErrorKind::kAccessDenied, "the Hub has disabled it"};
  }
  switch (head.status) {
    case 404:
      return {ErrorKind::kNotFound, "not found"};
    case 401:
      if (had_token) return {ErrorKind::kAccessDenied, "the token was refused"};
      return {ErrorKind::kNotFound, "no such repo on the Hub, or private and no token was given"};
    case 403:
      return {ErrorKind::kAccessDenied, "access refused"};
    case 429:
      return {ErrorKind::kBadContent, "too many requests"};
    default:
      break;
  }
  if (head.status >= 500) return {ErrorKind::kBadContent, "the server failed"};
  return {ErrorKind::kBadContent, "an answer that cannot be used"};
}

bool is_retryable(int status) { return status == 408 || status == 429 || (status >= 500 && status <= 599); }

// Digits as a wait of one second more, as the Python client does: the server rounds down. Too many digits: the longest.
std::optional<std::chrono::seconds> wait_of(std::string_view digits) {
  const bool all_digits =
      !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!all_digits) return std::nullopt;
  const std::uint64_t seconds = parse_u64(digits).value_or(kLongestWait);
  return std::chrono::seconds(std::min(kLongestWait, std::min(seconds, kLongestWait) + 1));
}

// `"api";r=0;t=55`: nothing remains, the window ends in 55 s.
std::optional<std::chrono::seconds> rate_limit_wait(std::string_view header) {
  bool nothing_left = false;
  std::optional<std::chrono::seconds> wait;
  while (!header.empty()) {
    const std::size_t end = std::min(header.find_first_of(";,"), header.size());
    const std::string_view item = trim_space(header.substr(0, end));
    if (item == "r=0") nothing_left = true;
    if (item.starts_with("t=") && !wait) wait = wait_of(item.substr(2));
    header.remove_prefix(std::min(end + 1, header.size()));
  }
  return nothing_left ? wait : std::nullopt;
}

std::optional<std::chrono::seconds> retry_after(const HttpHead& head) {
  if (head.status == 429) {
    if (const auto wait = rate_limit_wait(head.header("ratelimit"))) return wait;
  }
  return wait_of(trim_space(head.header("retry-after")));
}

}  // namespace

HubError classify_answer(const HttpHead& head, bool had_token, std::string_view what) {
  const std::string& code = head.header("x-error-code");
  const auto by_code = verdict_of_code(code);
  const Verdict verdict = by_code ? *by_code : verdict_of_status(head, had_token);
  HubError error;
  error.http_status = head.status;
  error.retryable = !by_code && verdict.kind == ErrorKind::kBadContent && is_retryable(head.status);
  if (error.retryable) error.retry_after = retry_after(head);
  error.error.kind = verdict.kind;
  std::string& message = error.error.message;
  message = std::string(what) + ": " + std::string(verdict.words) + " (status " + std::to_string(head.status);
  if (!code.empty()) message += ", " + plain_words(code, kMaxWords);
  if (const std::string& words = head.header("x-error-message"); !words.empty()) {
    message += ", \"" + plain_words(words, kMaxWords) + "\"";
  }
  message += ")";
  return error;
}

HubError transport_error(const Error& error, std::string_view what) {
  HubError out{error, 0, false, std::nullopt};
  out.retryable =
      error.kind == ErrorKind::kUnreachable || error.kind == ErrorKind::kTimeout || error.sys_errno == ECONNRESET;
  out.error.message = std::string(what) + ": " + error.message;
  return out;
}

HubError bad_answer(std::string_view what, std::string_view words, int http_status) {
  std::string message = std::string(what) + ": " + std::string(words);
  return {Error{ErrorKind::kBadContent, std::move(message), 0}, http_status, false, std::nullopt};
}

}  // namespace hubfs
