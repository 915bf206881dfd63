// SPDX-License-Identifier: Apache-2.0
#include "core/hub/range_answer.h"

#include <algorithm>

#include "core/hub/text.h"

namespace hubfs {

namespace {

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;  // nullopt for "*"
};

// "bytes 0-99/1000"
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!lower_ascii(text.substr(0, 6)).starts_with("bytes ")) return std::nullopt;
  text = trim_space(text.substr(6));
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = parse_u64(trim_space(text.substr(0, dash)));
  const auto last = parse_u64(trim_space(text.substr(dash + 1, slash - dash - 1)));
  const std::string_view total_text = trim_space(text.substr(slash + 1));
  const auto total = parse_u64(total_text);
  if (!first || !last || *last < *first || (!total && total_text != "*")) return std::nullopt;
  return ContentRange{*first, *last, total};
}

std::expected<RangePlan, std::string> check_partial(const HttpHead& head, const RangeRequest& request) {
  const auto range = parse_content_range(head.header("content-range"));
  if (!range) return std::unexpected("a partial answer that does not say which part");
  if (range->total && *range->total != request.file_size) {
    return std::unexpected("the file is " + std::to_string(*range->total) + " bytes long, not " +
                           std::to_string(request.file_size) + " as listed");
  }
  if (range->first != request.first || range->last > request.last) {
    return std::unexpected("another range than was asked for");
  }
  const std::uint64_t bytes = range->last - range->first + 1;
  const auto length = parse_u64(head.header("content-length"));
  if (length && *length > bytes) return std::unexpected("more bytes than the range has");
  return RangePlan{bytes, range->last == request.last, false};
}

std::expected<RangePlan, std::string> check_whole(const HttpHead& head, const RangeRequest& request) {
  if (request.first != 0) return std::unexpected("the server ignores ranges");
  const std::string& length = head.header("content-length");
  if (!length.empty() && parse_u64(length) != request.file_size) {
    return std::unexpected("the file has another length than listed (" + plain_words(length, 20) + ")");
  }
  const std::uint64_t bytes = request.last + 1;
  return RangePlan{bytes, true, bytes < request.file_size};
}

}  // namespace

std::expected<RangePlan, std::string> check_range_answer(const HttpHead& head, const RangeRequest& request) {
  const std::string encoding = lower_ascii(head.header("content-encoding"));
  if (!encoding.empty() && encoding != "identity") return std::unexpected("an encoding that was not asked for");
  if (head.status == 206) return check_partial(head, request);
  if (head.status == 200) return check_whole(head, request);
  return std::unexpected("status " + std::to_string(head.status) + " where a range was asked for");
}

bool describes_file(const HttpHead& head) {
  return std::any_of(head.headers.begin(), head.headers.end(),
                     [](const auto& h) { return h.first == "x-repo-commit" || h.first.starts_with("x-linked-"); });
}

FileHead file_head(const HttpHead& head) {
  FileHead out;
  std::string_view etag = head.header("x-linked-etag");
  if (etag.empty()) etag = head.header("etag");
  // As Python does: "W/" goes as a set of characters, then the quotes; stricter: what cannot name a blob is no etag.
  etag.remove_prefix(std::min(etag.find_first_not_of("W/"), etag.size()));
  while (etag.starts_with('"')) etag.remove_prefix(1);
  while (etag.ends_with('"')) etag.remove_suffix(1);
  if (BlobId::parse(etag)) out.etag = etag;
  out.xet_hash = XetHash::parse(head.header("x-xet-hash"));
  out.size = parse_u64(head.header("x-linked-size"));
  return out;
}

}  // namespace hubfs
