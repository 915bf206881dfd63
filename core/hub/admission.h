// SPDX-License-Identifier: Apache-2.0
//
// Which request may take a connection next. libcurl has such a queue too, but counts the wait in it as time spent
// connecting, so that the last of 500 small requests would time out before it began. Internal to core/hub; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>

namespace hubfs {

class Admission {
 public:
  Admission(int max_per_host, int max_total) : max_per_host_(max_per_host), max_total_(max_total) {}

  void enqueue(const std::string& host, std::uint64_t id);
  /// Takes a waiting request out; unknown ids are ignored.
  void drop(const std::string& host, std::uint64_t id);
  /// The next request that may run, first come first served per host, the hosts in turn; it counts as running from here
  /// on. nullopt when nothing waits or nothing may run.
  std::optional<std::uint64_t> next();
  /// A request that next() gave out has ended.
  void release(const std::string& host);

 private:
  struct Host {
    std::deque<std::uint64_t> waiting;
    std::unordered_set<std::uint64_t> dropped;  // still in `waiting`
    int running = 0;
  };
  using Hosts = std::map<std::string, Host>;
  static void skip_dropped(Host& host);
  void forget_if_idle(Hosts::iterator host);

  int max_per_host_;
  int max_total_;
  int running_ = 0;
  Hosts hosts_;
  std::string last_host_;
};

}  // namespace hubfs
