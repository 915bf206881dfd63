// SPDX-License-Identifier: Apache-2.0
#include "core/hub/head_parser.h"

#include <utility>

#include "core/hub/text.h"

namespace hubfs {

const std::string& HttpHead::header(std::string_view name) const {
  static const std::string none;
  const auto found = headers.find(name);
  return found == headers.end() ? none : found->second;
}

HeadParser::Event HeadParser::add_line(std::string_view line) {
  seen_bytes_ += line.size();
  if (seen_bytes_ > max_bytes_) return Event::kTooLarge;
  if (complete_) return Event::kMore;
  if (std::exchange(at_status_line_, false)) {
    add_status(line);
    return Event::kMore;
  }
  if (!trim_space(line).empty()) {
    add_field(line);
    return Event::kMore;
  }
  if (head_.status >= 200) {
    complete_ = true;
    return Event::kComplete;
  }
  at_status_line_ = true;
  return Event::kMore;
}

void HeadParser::add_status(std::string_view line) {
  head_.headers.clear();
  head_.status = 0;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return;
  const std::string_view digits = line.substr(space + 1, 3);
  const auto status = parse_u64(digits);
  if (status && digits.size() == 3) head_.status = static_cast<int>(*status);
}

void HeadParser::add_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  // A line that continues the one before it (obsolete folding) has no name of its own.
  if (colon == 0 || colon == std::string_view::npos || line.front() == ' ' || line.front() == '\t') return;
  const std::string_view name = trim_space(line.substr(0, colon));
  if (!name.empty()) head_.headers[lower_ascii(name)] = std::string(trim_space(line.substr(colon + 1)));
}

}  // namespace hubfs
