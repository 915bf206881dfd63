// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_policy.h"

#include <algorithm>
#include <cstring>

namespace hubfs {

namespace {

constexpr std::uint64_t kGgufHeader = 32U << 20U;

}  // namespace

bool wants_fill(const FetchOptions& options, std::uint64_t size, const ReadPattern& pattern) {
  switch (options.fill) {
    case FillMode::kAlways: return true;
    case FillMode::kNever: return options.verify_before_read;
    case FillMode::kAuto: break;
  }
  if (options.verify_before_read || size <= options.small_file) return true;
  return pattern.longest_run() >= options.fill_after_run || pattern.touched() >= options.fill_after_total;
}

std::uint64_t header_end(std::string_view path, std::uint64_t size, std::span<const std::byte> first_bytes) {
  if (first_bytes.size() < 8) return 0;
  if (path.ends_with(".safetensors")) {
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = (length << 8U) | std::to_integer<std::uint64_t>(first_bytes[i]);
    return length <= size && size - length >= 8 ? length + 8 : 0;
  }
  if (std::memcmp(first_bytes.data(), "GGUF", 4) == 0) return std::min(size, kGgufHeader);
  return 0;
}

}  // namespace hubfs
