// SPDX-License-Identifier: Apache-2.0
//
// libcurl behind a small face: requests go in, lines and bytes come out, and nothing of <curl/curl.h> is seen outside
// of curl_transport.cc. Knows nothing of threads, order or time (http_loop.cc). Internal to core/hub; one thread but
// for wake(). add() and remove() must not be called from inside a receiver: libcurl forbids it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/hub/http_loop.h"
#include "core/hub/request_check.h"

namespace hubfs {

/// Hears of one request during CurlTransport::perform(). False ends the request. Nothing may throw: C code is in
/// between.
class CurlReceiver {
 public:
  virtual ~CurlReceiver() = default;
  /// The connection stands, new or used before; the request goes out.
  virtual void on_connected() noexcept = 0;
  /// One line of a head with its line end, of interim answers and trailers too.
  virtual bool on_header_line(std::string_view line) noexcept = 0;
  virtual bool on_body_bytes(std::span<const std::byte> bytes) noexcept = 0;
};

class CurlTransport {
 public:
  /// One request inside libcurl.
  struct Exchange;
  struct Finished {
    CurlReceiver* receiver;
    Status status;  ///< as for HttpHandler::on_end
  };

  /// Throws std::bad_alloc when libcurl cannot start at all.
  explicit CurlTransport(const HttpLoopOptions& options);
  ~CurlTransport();
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  /// Hands a checked request over; `request` and `receiver` must stay until remove(). nullptr: out of memory.
  Exchange* add(const HttpRequest& request, const std::string& host, CurlReceiver& receiver);
  /// Takes it out, finished or not; its connection is kept if it can serve again. Never waits for a resolver.
  void remove(Exchange* exchange);

  /// Reads and writes what is ready.
  void perform();
  /// The next that has ended by itself; it still has to be removed.
  std::optional<Finished> next_finished();
  /// Sleeps until something is ready, libcurl's own timers included, at most `longest`.
  void poll(std::chrono::milliseconds longest);
  /// Ends a poll() now or the next one at once. Any thread.
  void wake();

 private:
  void set_options(Exchange& x, const HttpRequest& request);

  const std::string user_agent_;
  const CaSource ca_ = ca_from_environment();
  void* multi_ = nullptr;
  std::vector<void*> spare_;  // easy handles for reuse
};

}  // namespace hubfs
