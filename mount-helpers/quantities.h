// SPDX-License-Identifier: Apache-2.0
//
// Sizes and durations as people write them in options. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hubfs {

/// "4096", "512K", "20M", "3G", "1T": powers of 1024; nullopt for anything else, also for what does not fit.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// "90s", "15m", "12h", "30d"; a bare number is seconds. nullopt for anything else.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

/// For tables: "812B", "1.5K", "20.3G"; powers of 1000, as `hf cache ls` writes them.
std::string human_size(std::uint64_t bytes);

}  // namespace hubfs
