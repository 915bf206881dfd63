// SPDX-License-Identifier: Apache-2.0
//
// The network: one thread around one libcurl multi handle. Requests, timers and posted work all run on that thread, so
// whoever lives on it (HubClient, the fetch engine) needs no lock. Redirects are never followed here and no token is
// added here: that is policy (hub_client.h). Only curl_transport.cc includes a curl header.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace hubfs {

struct HttpRequest {
  std::string method = "GET";        ///< GET or HEAD or POST
  std::string url;                   ///< http or https only; every other scheme is refused
  std::vector<std::string> headers;  ///< "Name: value"
  std::string body;                  ///< for POST
  std::chrono::milliseconds connect_timeout{10'000};
  /// No byte (head or body) for this long, once connected, ends the request with kTimeout. Waiting for one of the
  /// bounded connections counts as neither connecting nor silence.
  std::chrono::milliseconds idle_timeout{10'000};
  /// An answer slower than this, once begun, is silence too: a server that sends a byte a second holds nobody for ever.
  std::uint64_t min_bytes_per_second = 1024;
  std::chrono::milliseconds min_speed_window{30'000};  ///< over which the speed is taken; zero: no minimum
  /// The whole request, the wait for a connection included, must end within this time; zero: no limit.
  std::chrono::milliseconds total_timeout{0};
  std::size_t max_head_bytes = 256U * 1024U;  ///< a header flood ends the request with kBadContent
};

/// Status line and headers of an answer (names in lower case; of repeated headers the last one).
struct HttpHead {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;
  /// The header's value, or "".
  [[nodiscard]] const std::string& header(std::string_view name) const;
};

/// Callbacks of one request, all on the loop's thread, in this order: on_head once, on_body any number of times, on_end
/// once. Returning false from the first two ends the request; on_end then reports kInterrupted. After cancel() nothing
/// is called any more. The handler is owned by the loop, which destroys it after on_end, or soon after cancel() (not
/// inside it: a callback of the same handler may be what cancels), always on the loop's thread. Callbacks are never
/// re-entrant from within start(). They must not throw.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual bool on_head(const HttpHead& head) = 0;
  /// Straight out of libcurl's buffer, which hands over 16 KiB at a time whatever has been read from the socket.
  virtual bool on_body(std::span<const std::byte> bytes) = 0;
  /// Success means the whole body arrived. kUnreachable: name, connection refused, no route; kTimeout; kBadContent: TLS
  /// refused, protocol faults, a head too large; kBadContent with sys_errno ECONNRESET: the connection was cut or the
  /// body shorter than promised (another try may help). Messages name the host, never the rest of the address.
  virtual void on_end(const Status& status) = 0;
};

class HttpLoop {
 public:
  using RequestId = std::uint64_t;
  using TimerId = std::uint64_t;

  virtual ~HttpLoop() = default;

  /// Runs `work` on the loop's thread, soon and in order. Any thread. Dropped silently after stop().
  virtual void post(std::function<void()> work) = 0;
  /// Any thread: true on the loop's own thread.
  [[nodiscard]] virtual bool on_loop_thread() const = 0;

  // The rest only on the loop's thread (or, without effect, after stop()). start() never fails itself: what is wrong
  // with a request comes to on_end. cancel and cancel_timer ignore ids that are no longer known.
  virtual RequestId start(const HttpRequest& request, std::unique_ptr<HttpHandler> handler) = 0;
  virtual void cancel(RequestId id) = 0;
  virtual TimerId after(std::chrono::milliseconds delay, std::function<void()> work) = 0;
  virtual void cancel_timer(TimerId id) = 0;

  /// Ends the thread within 100 ms (plus a callback that is running); open requests, timers and posted work are dropped
  /// without callbacks. Any thread but the loop's; idempotent.
  virtual void stop() = 0;
};

struct HttpLoopOptions {
  int max_connections_per_host = 16;
  int max_connections = 64;
  std::string user_agent;  ///< e.g. "hubfs/0.1.0"
};

/// Starts the thread. libcurl honours the usual proxy variables; the CA file is taken from CURL_CA_BUNDLE,
/// REQUESTS_CA_BUNDLE, SSL_CERT_FILE (first that is set), as the Python client's users set them.
std::unique_ptr<HttpLoop> make_curl_http_loop(const HttpLoopOptions& options);

}  // namespace hubfs
