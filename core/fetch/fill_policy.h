// SPDX-License-Identifier: Apache-2.0
//
// Whether a file that is being read is wanted whole. Reading the header of a large file must not bring all of it; reading
// it in sequence, or a good part of it, does. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/fetch/fetch_options.h"
#include "core/fetch/read_pattern.h"

namespace hubfs {

/// Whether the rest of a file of `size` bytes is to be filled in the background, by what was read of it so far.
bool wants_fill(const FetchOptions& options, std::uint64_t size, const ReadPattern& pattern);

/// Where the header of a weight file ends, from its name and its first bytes (at least 8, else 0 is answered): exactly
/// for safetensors (8 bytes of length, then JSON), a generous guess for GGUF, whose header holds the vocabulary and does
/// not say how long it is. 0 for anything else.
std::uint64_t header_end(std::string_view path, std::uint64_t size, std::span<const std::byte> first_bytes);

/// Up to where room for a file is asked for next, when `here` of its bytes are here or granted.
inline std::uint64_t next_room(std::uint64_t size, std::uint64_t here) {
  constexpr std::uint64_t kStep = 32U << 20U;
  return here >= size || size - here <= kStep ? size : here + kStep;
}

/// Up to this size a safetensors header is asked for in one piece.
inline constexpr std::uint64_t kLargestHeaderAtOnce = 64U << 20U;

}  // namespace hubfs
