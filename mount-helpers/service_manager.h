// SPDX-License-Identifier: Apache-2.0
//
// Tells systemd, or whoever set NOTIFY_SOCKET, how the daemon does. Thread-safe (no state).
#pragma once

#include <string>

namespace hubfs {

/// Sends lines as sd_notify(3) does ("READY=1"); without NOTIFY_SOCKET, or where nobody listens, nothing.
void tell_service_manager(const std::string& lines);

}  // namespace hubfs
