// SPDX-License-Identifier: Apache-2.0
//
// What every fuzz target shares. A target defines `check(input)`, which holds what must be true of any input; a false
// one ends the program, which libFuzzer reports with the input. One thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace hubfs::fuzz {

/// Ends the run when `holds` is false.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "invariant broken: %s\n", what);
  std::abort();
}

/// A path that stays below where it starts: relative, no empty, "." or ".." part, no NUL, no part over 255 bytes.
inline bool stays_below(std::string_view path) {
  if (path.size() > 4096) return false;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    if (part.find('\0') != std::string_view::npos) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

/// A name for one folder entry.
inline bool is_one_name(std::string_view name) { return stays_below(name) && name.find('/') == std::string_view::npos; }

/// Cuts the input at a byte that stands for "next part": "a\x1f" "b" gives "a", then "b", then "".
inline std::string_view take_part(std::string_view& rest) {
  const std::size_t end = rest.find('\x1f');
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

void check(std::string_view input);

}  // namespace hubfs::fuzz

#define HUBFS_FUZZ_TARGET                                                             \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    hubfs::fuzz::check(std::string_view(reinterpret_cast<const char*>(data), size));  \
    return 0;                                                                         \
  }
