// SPDX-License-Identifier: Apache-2.0
//
// One listener: the Hub's or the CDN's.
#ifndef HUBFS_TESTS_HUB_ORIGIN_H_
#define HUBFS_TESTS_HUB_ORIGIN_H_

#include <httplib.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "tests/hub/connection.h"
#include "tests/hub/message.h"

namespace hubfs::testing {

// cpp-httplib accepts, reads and parses; answers go out past it (delivery.h), because it fixes up ranges, lengths and
// encodings of its own, and a test wants them wrong at times. One thread for each connection: a pool would let a few
// connections that hang on purpose starve all others.
class Origin : private httplib::Server {
 public:
  // Answers one request on its connection; false closes the connection. Called from many threads.
  using Service = std::function<bool(Connection& connection, HubRequest& request)>;

  // `number` is called once for each connection.
  Origin(OriginKind kind, std::function<std::uint64_t()> number, Service service);
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;
  ~Origin() override;

  // Binds to loopback and serves. Throws std::runtime_error when the port (0: any) cannot be had.
  void start(int port);
  // Ends all connections, also those in the middle of an answer, and their threads.
  void stop();
  int port() const { return port_; }

 private:
  bool process_and_close_socket(socket_t socket) override;
  bool adopt(int socket);
  void serve_connection(int socket);
  void answer(const httplib::Request& raw, std::string body);
  HubRequest translate(const httplib::Request& raw, std::string body) const;

  OriginKind kind_;
  std::function<std::uint64_t()> number_;
  Service service_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;  // guards the two below
  std::set<int> sockets_;
  bool stopping_ = false;
};

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_ORIGIN_H_
