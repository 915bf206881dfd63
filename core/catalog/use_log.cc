// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/use_log.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/flock_file.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxFile = 64U << 20U;
constexpr int kVersion = 1;
constexpr auto kBetweenSaves = std::chrono::minutes(1);
// Repos that are gone stay in the file (what comes back is used anew anyway); the longest unused go beyond this.
constexpr std::size_t kMostRepos = 20'000;

void merge(const UseTimes& from, UseTimes& into) {
  for (const auto& [key, time] : from) {
    std::int64_t& known = into[key];
    known = std::max(known, time);
  }
}

void drop_oldest(UseTimes& times) {
  if (times.size() <= kMostRepos) return;
  std::vector<std::int64_t> all;
  all.reserve(times.size());
  for (const auto& [key, time] : times) all.push_back(time);
  const auto newest_to_go = all.begin() + static_cast<std::ptrdiff_t>(all.size() - kMostRepos) - 1;
  std::nth_element(all.begin(), newest_to_go, all.end());
  std::erase_if(times, [limit = *newest_to_go](const auto& item) { return item.second <= limit; });
}

// Waits a little: another mount holds it for the time of a small write, unless it was stopped in it.
Result<UniqueFd> lock_times(const CacheRoot& root) {
  const std::string name = std::string(state::kUsedFile) + ".lock";
  for (int tries = 0; tries < 100; ++tries) {
    auto lock = try_flock_file(root.state_fd(), name, 0600);
    if (!lock && lock.error().kind == ErrorKind::kUnsupported) return UniqueFd();
    if (!lock || *lock) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return fail(ErrorKind::kBusy, root.state_path() + "/" + name + ": held by another mount for too long");
}

}  // namespace

std::string format_use_times(const UseTimes& times) {
  return nlohmann::json{{"version", kVersion}, {"used_ns", times}}.dump(1, ' ', false,
                                                                        nlohmann::json::error_handler_t::replace);
}

Result<UseTimes> parse_use_times(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("version") != kVersion) return fail(ErrorKind::kInvalid, "unknown version of used.json");
    return json.at("used_ns").get<UseTimes>();
  } catch (const std::exception& e) {
    return fail(ErrorKind::kInvalid, std::string("used.json: ") + e.what());
  }
}

UseLog::UseLog(CacheRootPtr first_root) : root_(std::move(first_root)), saved_(std::chrono::steady_clock::now()) {
  reload();
}

void UseLog::note(const RepoKey& key) {
  note_at(key, std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
                   .count());
}

void UseLog::note_at(const RepoKey& key, std::int64_t time_ns) {
  const std::string text = key.text();
  const MutexLock lock(mutex_);
  std::int64_t& known = times_[text];
  known = std::max(known, time_ns);
  noted_ = true;
}

std::int64_t UseLog::last_used_ns(const RepoKey& key) const {
  const MutexLock lock(mutex_);
  const auto it = times_.find(key.text());
  return it == times_.end() ? 0 : it->second;
}

UseTimes UseLog::read_file() const {
  if (!root_->has_state()) return {};
  const auto text = read_small_file(root_->state_fd(), state::kUsedFile, kMaxFile);
  if (!text) {
    if (text.error().kind != ErrorKind::kNotFound) log::warn("times of use are not readable: " + text.error().message);
    return {};
  }
  auto times = parse_use_times(*text);
  if (times) return std::move(*times);
  const std::string aside = std::string(state::kUsedFile) + ".broken";
  ::renameat(root_->state_fd(), state::kUsedFile, root_->state_fd(), aside.c_str());
  log::error(times.error().message + "; kept as " + root_->state_path() + "/" + aside + ", starting without it");
  return {};
}

void UseLog::reload() {
  const UseTimes times = read_file();
  const MutexLock lock(mutex_);
  merge(times, times_);
}

Status UseLog::save() {
  const MutexLock serial(saving_);
  {
    const MutexLock lock(mutex_);
    saved_ = std::chrono::steady_clock::now();
    if (!noted_ || !root_->has_state()) return {};
  }
  const auto guard = lock_times(*root_);
  if (!guard) return std::unexpected(guard.error());
  UseTimes times = read_file();
  {
    const MutexLock lock(mutex_);
    merge(times_, times);
    noted_ = false;
  }
  drop_oldest(times);
  const auto written = write_file_atomic(root_->state_fd(), state::kUsedFile, format_use_times(times), 0600, false);
  const MutexLock lock(mutex_);
  if (!written) noted_ = true;
  merge(times, times_);
  drop_oldest(times_);
  return written;
}

Status UseLog::save_now_and_then() {
  {
    const MutexLock lock(mutex_);
    if (std::chrono::steady_clock::now() - saved_ < kBetweenSaves) return {};
  }
  return save();
}

}  // namespace hubfs
