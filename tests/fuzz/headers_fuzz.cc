// SPDX-License-Identifier: Apache-2.0
// The head of an answer: bounded, without line ends in it, and whatever it says becomes an error kind or a file's head.
#include <optional>

#include "core/hub/head_parser.h"
#include "core/hub/range_answer.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  constexpr std::size_t kMaxHead = 4096;
  HeadParser parser(kMaxHead);
  std::size_t seen = 0;
  while (!input.empty() && !parser.complete()) {
    const std::size_t end = input.find('\n');
    const std::string_view line = input.substr(0, end == std::string_view::npos ? end : end + 1);
    input.remove_prefix(line.size());
    seen += line.size();
    const auto event = parser.add_line(line);
    must((event == HeadParser::Event::kTooLarge) == (seen > kMaxHead), "a flood is noticed at once");
    if (event == HeadParser::Event::kTooLarge) return;
  }
  const HttpHead& head = parser.head();
  must(head.status >= 0 && head.status <= 999, "a status of three digits");
  must(!parser.complete() || head.status >= 200, "an interim answer is not the final one");
  for (const auto& [name, value] : head.headers) {
    must(!name.empty() && name.find(':') == std::string::npos && name.find('\n') == std::string::npos,
         "a header's name");
    must(value.find('\n') == std::string::npos, "a header's value is one line");
    must(&head.header(name) == &value, "a header is found by its name");
  }
  const FileHead file = file_head(head);
  must(file.etag.empty() || BlobId::parse(file.etag).has_value(), "an etag that can name a blob, or none");
  for (const bool token : {false, true}) {
    const HubError error = classify_answer(head, token, "what");
    must(error.error.message.find('\n') == std::string::npos, "words are one line");
    must(error.error.message.size() < 3 * kMaxHead, "words are short");
    must(!error.retry_after || error.retry_after->count() >= 0, "a wait is not negative");
  }
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
