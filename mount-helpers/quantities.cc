// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/quantities.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace hubfs {

namespace {

// A number with one of `units` behind it, as many of the unit's parts as `factors` says.
struct Unit {
  char name;
  std::uint64_t factor;
};

template <std::size_t N>
std::optional<std::uint64_t> parse(std::string_view text, const Unit (&units)[N]) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.empty()) return number;
  for (const Unit& one : units) {
    if (unit.size() != 1 || unit.front() != one.name) continue;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(number, one.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr Unit kUnits[] = {{'K', 1ULL << 10U}, {'M', 1ULL << 20U}, {'G', 1ULL << 30U}, {'T', 1ULL << 40U}};
  return parse(text, kUnits);
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  constexpr Unit kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  constexpr std::uint64_t kCentury = 100ULL * 366 * 86400;
  const auto seconds = parse(text, kUnits);
  if (!seconds || *seconds > kCentury) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

std::string human_size(std::uint64_t bytes) {
  static constexpr std::array kUnits{"B", "K", "M", "G", "T", "P"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.1f%s", value, kUnits[unit]);
  return text;
}

}  // namespace hubfs
