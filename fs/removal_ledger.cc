// SPDX-License-Identifier: Apache-2.0
#include "fs/removal_ledger.h"

#include <algorithm>
#include <set>

namespace hubfs {

namespace {

constexpr std::size_t kRefusalsKept = 16;

}  // namespace

void RemovalLedger::removed(const std::vector<FreedInode>& freed) {
  const MutexLock lock(mutex_);
  for (const FreedInode& file : freed) {
    fresh_[{file.dev, file.ino}] = file.bytes;
    total_ += file.bytes;
  }
}

void RemovalLedger::settle() { static_cast<void>(report()); }

void RemovalLedger::failed(const std::string& what, const std::string& why) {
  const MutexLock lock(mutex_);
  failed_[what] = why;
}

void RemovalLedger::done(const std::string& what) {
  const MutexLock lock(mutex_);
  failed_.erase(what);
}

void RemovalLedger::refused(const std::string& what, const std::string& why) {
  const MutexLock lock(mutex_);
  refused_.push_back({what, why});
  if (refused_.size() > kRefusalsKept) refused_.pop_front();
}

RemovalLedger::Report RemovalLedger::report() {
  std::set<FileIdentity> asked;
  {
    const MutexLock lock(mutex_);
    held_.merge(fresh_);
    fresh_.clear();
    for (const auto& [file, bytes] : held_) asked.insert(file);
  }
  const std::vector<OpenInode> open = asked.empty() ? std::vector<OpenInode>{} : find_open(asked);
  std::set<FileIdentity> still;
  std::set<std::string> holders;
  for (const OpenInode& each : open) {
    still.emplace(each.dev, each.ino);
    holders.insert(each.command + " (process " + std::to_string(each.pid) + ")");
  }
  Report report;
  report.holders.assign(holders.begin(), holders.end());
  const MutexLock lock(mutex_);
  // What was removed meanwhile was not asked for.
  std::erase_if(held_, [&](const auto& item) { return asked.contains(item.first) && !still.contains(item.first); });
  for (const auto& [file, bytes] : held_) report.pending += bytes;
  report.given_back = total_ - std::min(total_, report.pending);
  for (const auto& [what, why] : failed_) report.failed.push_back({what, why});
  report.refused.assign(refused_.begin(), refused_.end());
  return report;
}

}  // namespace hubfs
