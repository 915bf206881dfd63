// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/message.h"

#include <algorithm>
#include <charconv>

namespace hubfs::testing {
namespace {

bool same_name(std::string_view a, std::string_view b) { return lower_case(a) == lower_case(b); }

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // 0: cannot be satisfied
};

// A single range; nothing for what a server may ignore: several ranges, other units, nonsense.
std::optional<Range> parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit) || header.find(',') != std::string_view::npos) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_number(header.substr(0, dash));
  const auto last = parse_number(header.substr(dash + 1));
  if (!first) {
    if (dash != 0 || !last) return std::nullopt;
    const std::uint64_t length = std::min(*last, size);
    return Range{size - length, length};
  }
  if (!last && dash + 1 != header.size()) return std::nullopt;
  if (last && *last < *first) return std::nullopt;
  if (*first >= size) return Range{};
  return Range{*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

}  // namespace

std::string HubRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::optional<std::string> HubRequest::token() const {
  const std::string value = header("authorization");
  if (value.empty()) return std::nullopt;
  constexpr std::string_view kBearer = "bearer ";
  return lower_case(value.substr(0, kBearer.size())) == kBearer ? value.substr(kBearer.size()) : value;
}

void Answer::set(std::string_view name, std::string value) {
  drop(name);
  headers.emplace_back(std::string(name), std::move(value));
}

void Answer::drop(std::string_view name) {
  std::erase_if(headers, [&](const auto& header) { return same_name(header.first, name); });
}

const std::string* Answer::find(std::string_view name) const {
  const auto found = std::ranges::find_if(headers, [&](const auto& header) { return same_name(header.first, name); });
  return found == headers.end() ? nullptr : &found->second;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 416:
      return "Range Not Satisfiable";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

Answer json_answer(const nlohmann::json& json, int status) {
  Answer answer;
  answer.status = status;
  answer.set("Content-Type", "application/json; charset=utf-8");
  // Names that are not UTF-8 must not end the answer: a hostile repo may have them.
  answer.body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return answer;
}

Answer error_answer(int status, std::string_view code, std::string_view message) {
  Answer answer = json_answer({{"error", message}}, status);
  if (!code.empty()) answer.set("X-Error-Code", std::string(code));
  answer.set("X-Error-Message", std::string(message));
  if (status == 401) answer.set("WWW-Authenticate", R"(Bearer realm="Authentication required", charset="UTF-8")");
  return answer;
}

Answer redirect_answer(int status, const std::string& location) {
  Answer answer;
  answer.status = status;
  answer.set("Location", location);
  answer.set("Content-Type", "text/plain; charset=utf-8");
  answer.set("Vary", "Origin, Accept");
  answer.body = std::string(reason_phrase(status)) + ". Redirecting to " + location;
  return answer;
}

void answer_with_content(const HubRequest& request, ContentPtr content, const std::string& etag, Answer& answer) {
  const std::uint64_t size = content->size();
  answer.set("Accept-Ranges", "bytes");
  answer.set("ETag", etag);
  answer.status = 200;
  answer.offset = 0;
  answer.length = size;
  const std::string if_range = request.header("if-range");
  const std::string header = request.header("range");
  const auto range = if_range.empty() || if_range == etag ? parse_range(header, size) : std::nullopt;
  if (range && range->length == 0) {
    answer.status = 416;
    answer.set("Content-Range", "bytes */" + std::to_string(size));
    answer.length = 0;
    return;
  }
  if (range) {
    answer.status = 206;
    answer.offset = range->offset;
    answer.length = range->length;
    answer.set("Content-Range", "bytes " + std::to_string(range->offset) + "-" +
                                    std::to_string(range->offset + range->length - 1) + "/" + std::to_string(size));
  }
  answer.content = std::move(content);
}

}  // namespace hubfs::testing
