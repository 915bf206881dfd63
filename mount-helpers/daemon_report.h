// SPDX-License-Identifier: Apache-2.0
//
// What a mount's daemon says of itself, asked through its mount with a limit: a daemon that is stopped or hangs answers
// nothing, and whoever asks it hangs with it. A child process asks; if need be it is killed, and left behind where not
// even that ends it. For processes that have one thread.
#pragma once

#include <string>

namespace hubfs {

struct DaemonReport {
  enum class State {
    kAnswers,
    kDead,     ///< the kernel knows that there is no daemon any more
    kSilent,   ///< no answer in time
    kUnknown,  ///< it cannot be asked, for `words`: another user's mount, something else on the path
  };
  State state = State::kUnknown;
  std::string text;   ///< of kAnswers: its status.json
  std::string words;  ///< of all others: what is the matter, and what to do
};

DaemonReport ask_daemon(const std::string& mountpoint);

}  // namespace hubfs
