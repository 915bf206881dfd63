// SPDX-License-Identifier: Apache-2.0
#include "fs/mount_table.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>

namespace hubfs {

namespace {

bool is_octal(std::string_view text) {
  return text.size() == 3 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
}

// mountinfo writes blanks and backslashes of a path as three octal digits.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = std::string_view(text).substr(i + 1, 3);
    if (text[i] != '\\' || !is_octal(digits)) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0')));
    i += 3;
  }
  return out;
}

}  // namespace

std::vector<MountEntry> mount_table() {
  std::vector<MountEntry> all;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    MountEntry entry;
    std::string word;
    fields >> entry.id >> word >> entry.device >> word >> entry.point;
    while (fields >> word && word != "-") {
    }
    fields >> entry.type;
    entry.point = unescaped(entry.point);
    all.push_back(std::move(entry));
  }
  return all;
}

std::optional<MountEntry> top_fuse_mount(const std::string& path) {
  std::optional<MountEntry> top;
  for (MountEntry& entry : mount_table()) {
    if (entry.point == path && entry.type.starts_with("fuse")) top = std::move(entry);
  }
  return top;
}

std::optional<MountEntry> top_mount(const std::string& path) {
  std::optional<MountEntry> top;
  for (MountEntry& entry : mount_table()) {
    if (entry.point == path) top = std::move(entry);
  }
  return top;
}

bool has_mount_below(const std::string& path) {
  const auto all = mount_table();
  return std::any_of(all.begin(), all.end(), [&](const MountEntry& entry) { return entry.point.starts_with(path + "/"); });
}

}  // namespace hubfs
