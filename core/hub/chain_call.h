// SPDX-License-Identifier: Apache-2.0
//
// What the three kinds of calls share: offline mode, the time limit, one redirect chain after the other, and ending
// exactly once. Internal to core/hub; loop thread only.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/hub/hub_state.h"

namespace hubfs {

class ChainCall : public Call, protected ChainSink {
 public:
  void begin() final;
  void stop() final;

 protected:
  /// `what` begins the messages; `limit` zero: none.
  ChainCall(HubState& state, HubState::CallId id, std::string what, std::chrono::milliseconds limit)
      : state_(state), chain_(state.access, *this), what_(std::move(what)), id_(id), limit_(limit) {}

  /// Starts the first chain, or fails.
  virtual void first_request() = 0;
  /// Hands the error to the caller; comes at most once, when the call has been retired.
  virtual void deliver_failure(const HubError& error) = 0;

  void fail(const HubError& error);
  /// Ends the call; the caller may be told afterwards. False if it had ended before.
  bool end();
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] const std::string& what() const { return what_; }
  [[nodiscard]] HubState& state() { return state_; }
  [[nodiscard]] RedirectChain& chain() { return chain_; }

  void on_hub_redirect(const HttpHead&) override {}

 private:
  HubState& state_;
  RedirectChain chain_;
  std::string what_;
  HubState::CallId id_;
  std::chrono::milliseconds limit_;
  std::optional<HttpLoop::TimerId> timer_;
  bool over_ = false;
};

}  // namespace hubfs
