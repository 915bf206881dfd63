// SPDX-License-Identifier: Apache-2.0
//
// From errors to HubErrors. Internal to core/hub; thread-safe (no state).
#pragma once

#include <string>

#include "core/hub/hub_client.h"

namespace hubfs {

/// A failure of the transport (HttpHandler::on_end) as a HubError; `what` as for classify_answer.
HubError transport_error(const Error& error, std::string_view what);

/// kBadContent that no retry mends: "<what>: <words>".
HubError bad_answer(std::string_view what, std::string_view words, int http_status = 0);

}  // namespace hubfs
