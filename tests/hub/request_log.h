// SPDX-License-Identifier: Apache-2.0
//
// What was asked, what was answered, and how many bytes really left.
#ifndef HUBFS_TESTS_HUB_REQUEST_LOG_H_
#define HUBFS_TESTS_HUB_REQUEST_LOG_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/hub/fault.h"

namespace hubfs::testing {

struct LogEntry {
  std::uint64_t number = 0;  // from 1, in order of arrival
  OriginKind origin = OriginKind::kHub;
  std::string
      kind;  // info, tree, paths-info, refs, commits, resolve, resolve-cache, raw, cdn, whoami, xet-token, list, other
  std::string method;
  std::string path;              // as sent, escapes kept
  std::string query;             // as sent; left out for the CDN, where it is a secret
  std::string file;              // "models/org/name/path/in/repo" when the answer is a file's content
  std::string range;             // the Range header
  int status = 0;                // 0 while there is no answer
  std::uint64_t body_bytes = 0;  // handed to the kernel; the receiver may have got less of a connection that broke
  bool has_authorization = false;
  std::string user_agent;
  double started = 0;  // seconds since the Hub was started
  double seconds = 0;  // how long it took; 0 while it goes on
  std::uint64_t connection = 0;
};

struct HubStats {
  std::uint64_t requests = 0;
  std::uint64_t hub_requests = 0;
  std::uint64_t cdn_requests = 0;
  std::map<std::string, std::uint64_t> by_kind;    // "tree": 3
  std::map<std::string, std::uint64_t> by_method;  // "HEAD resolve": 3
  std::map<int, std::uint64_t> by_status;
  std::uint64_t body_bytes = 0;                        // all bodies
  std::uint64_t file_bytes = 0;                        // bodies that are file content
  std::map<std::string, std::uint64_t> bytes_by_file;  // keys as LogEntry::file
  std::uint64_t token_leaks = 0;                       // requests to the CDN that carried Authorization
  std::uint64_t connections = 0;                       // accepted, both origins
};

nlohmann::json to_json(const LogEntry& entry);
nlohmann::json to_json(const HubStats& stats);

// Thread-safe. Keeps the newest 200,000 entries; counters count all.
class RequestLog {
 public:
  using Ticket = std::shared_ptr<LogEntry>;

  Ticket begin(LogEntry entry);
  void answer(const Ticket& ticket, int status, std::string kind, std::string file);
  // Called before the bytes go out, so that who received them finds them counted; negative for what did not go.
  void add_body_bytes(const Ticket& ticket, std::int64_t bytes);
  void end(const Ticket& ticket, double seconds);
  void count_token_leak();
  // Counts a connection, and answers its number, from 1.
  std::uint64_t next_connection();

  std::vector<LogEntry> entries() const;
  HubStats stats() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::deque<Ticket> entries_;
  HubStats stats_;
  std::uint64_t next_number_ = 1;
  std::uint64_t next_connection_ = 1;
};

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_REQUEST_LOG_H_
