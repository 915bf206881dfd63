// SPDX-License-Identifier: Apache-2.0
//
// A server that answers exactly what a test tells it, byte by byte: broken heads, cut bodies, silence. One thread per
// connection; the script of a test runs on them, so what it shares with the test must be thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/base/thread_annotations.h"
#include "core/base/unique_fd.h"

namespace hubfs::test {

struct RawRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  /// The header's value, or "".
  [[nodiscard]] std::string header(const std::string& name) const;
};

/// One connection, as a script sees it.
class RawConnection {
 public:
  RawConnection(int fd, int stop_fd) : fd_(fd), stop_fd_(stop_fd) {}
  /// False when the other side is gone or the server stops.
  bool send(std::string_view bytes);
  /// Sleeps, or until the server stops or the other side closes; false then.
  bool wait(std::chrono::milliseconds time);
  /// Waits until the other side closes or the server stops: a server that has fallen silent.
  void hang() {
    while (wait(std::chrono::hours(1))) {
    }
  }
  /// No further request is read from this connection.
  void close() { open_ = false; }
  /// Closes with a reset instead of a farewell.
  void reset();
  [[nodiscard]] bool is_open() const { return open_; }
  std::optional<RawRequest> read_request();

 private:
  bool read_more();
  int fd_;
  int stop_fd_;
  bool open_ = true;
  std::string buffer_;
};

class RawServer {
 public:
  using Script = std::function<void(const RawRequest&, RawConnection&)>;

  /// Listens on a free port of 127.0.0.1.
  explicit RawServer(Script script);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  /// "http://127.0.0.1:port" + path
  [[nodiscard]] std::string url(std::string_view path = "") const;
  /// What has been asked so far.
  [[nodiscard]] std::vector<RawRequest> requests() const;
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept_all();
  void serve(int fd);

  Script script_;
  UniqueFd listener_;
  UniqueFd stop_fd_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  mutable Mutex mutex_;
  std::vector<RawRequest> requests_ GUARDED_BY(mutex_);
  std::list<std::thread> threads_;  // of the accepting thread, until it has ended
  std::thread acceptor_;
};

/// A whole answer with Content-Length; `headers` as "Name: value\r\n…".
std::string answer(int status, std::string_view headers, std::string_view body);
/// "Location: …" with the given status.
std::string redirect(std::string_view to, std::string_view headers = "", int status = 302);
/// The 206 that `request` asks for, out of `content`.
std::string range_of(const RawRequest& request, std::string_view content, std::string_view headers = "");

}  // namespace hubfs::test
