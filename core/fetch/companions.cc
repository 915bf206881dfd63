// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/companions.h"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace hubfs {

namespace {

constexpr std::size_t kMostFiles = 128;
constexpr std::uint64_t kMostBytes = 64U << 20U;
constexpr std::uint64_t kSmall = 1U << 20U;
constexpr std::uint64_t kTokenizer = 32U << 20U;

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool is_tokenizer(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.starts_with("tokenizer") || name.starts_with("vocab") || name.starts_with("merges") || name.ends_with(".model") ||
         name.ends_with(".tiktoken") || name.ends_with("spm");
}

}  // namespace

std::vector<std::string> companions_of(const std::string& opened, std::vector<SmallFile> missing) {
  std::erase_if(missing, [&](const SmallFile& file) {
    return file.path == opened || file.size > (is_tokenizer(file.path) ? kTokenizer : kSmall);
  });
  const std::string_view folder = folder_of(opened);
  std::sort(missing.begin(), missing.end(), [folder](const SmallFile& a, const SmallFile& b) {
    return std::tuple(folder_of(a.path) != folder, a.size, std::string_view(a.path)) <
           std::tuple(folder_of(b.path) != folder, b.size, std::string_view(b.path));
  });
  std::vector<std::string> chosen;
  std::uint64_t total = 0;
  for (SmallFile& file : missing) {
    if (chosen.size() == kMostFiles || total + file.size > kMostBytes) break;
    total += file.size;
    chosen.push_back(std::move(file.path));
  }
  return chosen;
}

}  // namespace hubfs
