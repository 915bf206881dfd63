// SPDX-License-Identifier: Apache-2.0
#include "core/hub/link_header.h"

#include <algorithm>

#include "core/hub/text.h"

namespace hubfs {

namespace {

// Up to the next `sign` outside of quotes, and past it.
std::string_view take_until(std::string_view& text, std::string_view signs) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (text[end] == '"') quoted = !quoted;
    if (quoted && text[end] == '\\') ++end;
    if (!quoted && end < text.size() && signs.find(text[end]) != std::string_view::npos) break;
  }
  end = std::min(end, text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end);
  return taken;
}

// `rel="prev next"`: one of the words.
bool says_next(std::string_view parameter) {
  const std::size_t equals = parameter.find('=');
  if (equals == std::string_view::npos || lower_ascii(trim_space(parameter.substr(0, equals))) != "rel") return false;
  std::string words = " " + lower_ascii(trim_space(parameter.substr(equals + 1))) + " ";
  std::replace(words.begin(), words.end(), '"', ' ');
  return words.find(" next ") != std::string::npos;
}

}  // namespace

std::optional<std::string> next_link(std::string_view header) {
  while (true) {
    const std::size_t open = header.find('<');
    if (open == std::string_view::npos) return std::nullopt;
    header.remove_prefix(open + 1);
    const std::size_t close = header.find('>');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view target = header.substr(0, close);
    header.remove_prefix(close + 1);
    bool is_next = false;
    while (!header.empty() && header.front() != ',') {
      header.remove_prefix(header.front() == ';' ? 1 : 0);
      is_next = says_next(take_until(header, ";,")) || is_next;
    }
    if (is_next) return std::string(target);
  }
}

}  // namespace hubfs
