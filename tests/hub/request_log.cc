// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/request_log.h"

namespace hubfs::testing {
namespace {
constexpr std::size_t kMaxEntries = 200'000;
}  // namespace

nlohmann::json to_json(const LogEntry& entry) {
  return {{"number", entry.number},
          {"origin", entry.origin == OriginKind::kHub ? "hub" : "cdn"},
          {"kind", entry.kind},
          {"method", entry.method},
          {"path", entry.path},
          {"query", entry.query},
          {"file", entry.file},
          {"range", entry.range},
          {"status", entry.status},
          {"body_bytes", entry.body_bytes},
          {"has_authorization", entry.has_authorization},
          {"user_agent", entry.user_agent},
          {"started", entry.started},
          {"seconds", entry.seconds},
          {"connection", entry.connection}};
}

nlohmann::json to_json(const HubStats& stats) {
  nlohmann::json by_status = nlohmann::json::object();
  for (const auto& [status, count] : stats.by_status) by_status[std::to_string(status)] = count;
  return {
      {"requests", stats.requests},       {"hub_requests", stats.hub_requests}, {"cdn_requests", stats.cdn_requests},
      {"by_kind", stats.by_kind},         {"by_method", stats.by_method},       {"by_status", by_status},
      {"body_bytes", stats.body_bytes},   {"file_bytes", stats.file_bytes},     {"bytes_by_file", stats.bytes_by_file},
      {"token_leaks", stats.token_leaks}, {"connections", stats.connections}};
}

RequestLog::Ticket RequestLog::begin(LogEntry entry) {
  const std::lock_guard lock(mutex_);
  entry.number = next_number_++;
  ++stats_.requests;
  ++(entry.origin == OriginKind::kHub ? stats_.hub_requests : stats_.cdn_requests);
  auto ticket = std::make_shared<LogEntry>(std::move(entry));
  entries_.push_back(ticket);
  if (entries_.size() > kMaxEntries) entries_.pop_front();
  return ticket;
}

void RequestLog::answer(const Ticket& ticket, int status, std::string kind, std::string file) {
  const std::lock_guard lock(mutex_);
  ticket->status = status;
  ticket->kind = std::move(kind);
  ticket->file = std::move(file);
  ++stats_.by_kind[ticket->kind];
  ++stats_.by_method[ticket->method + " " + ticket->kind];
  if (status != 0) ++stats_.by_status[status];
}

void RequestLog::add_body_bytes(const Ticket& ticket, std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto change = static_cast<std::uint64_t>(bytes);  // wraps: a negative number is taken off
  ticket->body_bytes += change;
  stats_.body_bytes += change;
  if (!ticket->file.empty()) {
    stats_.file_bytes += change;
    stats_.bytes_by_file[ticket->file] += change;
  }
}

void RequestLog::end(const Ticket& ticket, double seconds) {
  const std::lock_guard lock(mutex_);
  ticket->seconds = seconds;
}

void RequestLog::count_token_leak() {
  const std::lock_guard lock(mutex_);
  ++stats_.token_leaks;
}

std::uint64_t RequestLog::next_connection() {
  const std::lock_guard lock(mutex_);
  ++stats_.connections;
  return next_connection_++;
}

std::vector<LogEntry> RequestLog::entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<LogEntry> out;
  out.reserve(entries_.size());
  for (const auto& ticket : entries_) out.push_back(*ticket);
  return out;
}

HubStats RequestLog::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void RequestLog::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  stats_ = {};
}

}  // namespace hubfs::testing
