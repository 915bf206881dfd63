// SPDX-License-Identifier: Apache-2.0
#include "core/hub/chain_call.h"

#include "core/hub/answer.h"

namespace hubfs {

void ChainCall::begin() {
  if (over_) return;
  if (state_.options.offline) {
    return fail({Error{ErrorKind::kUnreachable, what_ + ": offline mode", 0}, 0, false, std::nullopt});
  }
  if (!state_.access.origin) {
    return fail({Error{ErrorKind::kInvalid, what_ + ": the Hub's address is not an http or https address", 0}, 0, false,
                 std::nullopt});
  }
  if (limit_.count() > 0) {
    timer_ = state_.access.loop.after(limit_, [this] {
      timer_.reset();
      fail({Error{ErrorKind::kTimeout, what_ + ": no answer within " + std::to_string(limit_.count()) + " ms", 0}, 0,
            true, std::nullopt});
    });
  }
  first_request();
}

void ChainCall::stop() {
  over_ = true;
  chain_.cancel();
  if (timer_) state_.access.loop.cancel_timer(*std::exchange(timer_, std::nullopt));
}

bool ChainCall::end() {
  if (over_) return false;
  state_.retire(id_);
  return true;
}

void ChainCall::fail(const HubError& error) {
  // A copy: `error` may belong to the chain, which end() stops.
  const HubError copy = error;  // NOLINT(performance-unnecessary-copy-initialization)
  if (end()) deliver_failure(copy);
}

}  // namespace hubfs
