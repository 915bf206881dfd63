// SPDX-License-Identifier: Apache-2.0
//
// One GET through its redirects, and the rules for them: at most 10; http and https only; never from https to http
// unless the Hub itself is plain http; the token goes to the Hub's own origin, and once a chain has left it, the token
// stays out even if it comes back. Statuses that are errors become HubErrors here. Internal to core/hub; loop thread
// only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/hub/hub_client.h"
#include "core/hub/url.h"

namespace hubfs {

/// What every call needs to know of the Hub.
struct HubAccess {
  HttpLoop& loop;
  const HubOptions& options;
  std::optional<Origin> origin;  ///< nullopt: the endpoint is not a usable address
};

/// Receives the end of a chain. May destroy the chain from any of these (it then hears no more).
class ChainSink {
 public:
  virtual ~ChainSink() = default;
  /// Each redirecting answer of the Hub's own origin: it describes the file.
  virtual void on_hub_redirect(const HttpHead& head) = 0;
  /// The final answer, 2xx only. False ends the chain; on_chain_end then reports kInterrupted.
  virtual bool on_answer(const HttpHead& head) = 0;
  virtual bool on_answer_body(std::span<const std::byte> bytes) = 0;
  virtual void on_chain_end(const HubResult<void>& result) = 0;
};

class RedirectChain {
 public:
  RedirectChain(const HubAccess& access, ChainSink& sink) : access_(access), sink_(sink) {}
  ~RedirectChain();
  RedirectChain(const RedirectChain&) = delete;
  RedirectChain& operator=(const RedirectChain&) = delete;

  /// Begins a new chain (a running one is dropped). `what` begins every error's message.
  void start(std::string url, std::vector<std::string> headers, std::string what);
  /// Stops without a callback.
  void cancel();
  /// The address of the last answer, and whether it is the Hub's.
  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] bool at_hub() const { return at_hub_; }

 private:
  class Hop;
  void send();
  bool on_head(const HttpHead& head);
  bool on_body(std::span<const std::byte> bytes);
  void on_end(const Status& status);

  const HubAccess& access_;
  ChainSink& sink_;
  std::string what_;
  std::string url_;
  std::vector<std::string> headers_;
  std::optional<HttpLoop::RequestId> request_;
  int hops_ = 0;
  bool at_hub_ = false;
  bool left_hub_ = false;
  bool sent_token_ = false;
  std::optional<HubError> refusal_;      // the answer's status says no; its body is drained
  std::optional<std::string> location_;  // the answer redirects; its body is drained
  std::size_t drained_ = 0;
};

}  // namespace hubfs
