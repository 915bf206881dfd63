// SPDX-License-Identifier: Apache-2.0
#include "core/hub/address_book.h"

#include <algorithm>

#include "core/hub/text.h"

namespace hubfs {

namespace {

using std::chrono::seconds;
using SystemClock = std::chrono::system_clock;

constexpr seconds kUnknownLifetime{600};
constexpr std::uint64_t kLongestLifetime = 24ULL * 3600;

// The value of a query parameter, without regard to case of the name (clouds differ), or nullopt.
std::optional<std::string_view> parameter(std::string_view url, std::string_view lower_name) {
  const std::size_t mark = url.find('?');
  std::string_view query = mark == std::string_view::npos ? std::string_view() : url.substr(mark + 1);
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    const std::size_t equals = std::min(item.find('='), item.size());
    if (lower_ascii(item.substr(0, equals)) == lower_name) return item.substr(std::min(equals + 1, item.size()));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

// "20260820T101500Z"
std::optional<std::chrono::sys_seconds> amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto day = parse_u64(text.substr(0, 8));
  const auto time = parse_u64(text.substr(9, 6));
  if (!day || !time) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*day / 10000)),
                                         std::chrono::month(static_cast<unsigned>(*day / 100 % 100)),
                                         std::chrono::day(static_cast<unsigned>(*day % 100))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + seconds(*time / 10000 * 3600 + *time / 100 % 100 * 60 + *time % 100);
}

// In whole seconds: the clock's own unit ends in the year 2262, and an address may name any.
seconds until(std::chrono::sys_seconds end, SystemClock::time_point now) {
  return std::max(end - std::chrono::floor<seconds>(now), seconds(0));
}

}  // namespace

std::optional<seconds> lifetime_of(std::string_view url, SystemClock::time_point now) {
  if (const auto value = parameter(url, "x-amz-expires")) {
    const auto length = parse_u64(*value);
    const auto start = amz_date(parameter(url, "x-amz-date").value_or(""));
    if (length && start) return until(*start + seconds(std::min(*length, kLongestLifetime)), now);
  }
  if (const auto value = parameter(url, "expires")) {
    // Anything beyond the year 5000 is no unix time.
    if (const auto end = parse_u64(*value); end && *end < 100'000'000'000ULL) {
      return until(std::chrono::sys_seconds(seconds(*end)), now);
    }
  }
  return std::nullopt;
}

const AddressBook::Entry* AddressBook::find(const std::string& file, Clock::time_point now) {
  const auto found = by_file_.find(file);
  if (found == by_file_.end()) return nullptr;
  if (found->second->expires <= now) {
    slots_.erase(found->second);
    by_file_.erase(found);
    return nullptr;
  }
  slots_.splice(slots_.begin(), slots_, found->second);
  return &found->second->entry;
}

void AddressBook::remember(const std::string& file, Entry entry, Clock::time_point now) {
  if (const auto found = by_file_.find(file); found != by_file_.end()) {
    slots_.erase(found->second);
    by_file_.erase(found);
  }
  const auto told = lifetime_of(entry.url, SystemClock::now());
  const seconds life = std::min(told.value_or(kUnknownLifetime), seconds(kLongestLifetime));
  // A little before its end, so that a request on its way is not refused.
  const seconds margin = std::min(seconds(30), life / 10);
  if (life == seconds(0)) return;
  if (slots_.size() >= capacity_) {
    by_file_.erase(slots_.back().file);
    slots_.pop_back();
  }
  slots_.push_front(Slot{file, std::move(entry), now + life - margin});
  by_file_.emplace(file, slots_.begin());
}

void AddressBook::forget(const std::string& file, std::string_view url) {
  const auto found = by_file_.find(file);
  if (found == by_file_.end() || found->second->entry.url != url) return;
  slots_.erase(found->second);
  by_file_.erase(found);
}

}  // namespace hubfs
