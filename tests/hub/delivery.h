// SPDX-License-Identifier: Apache-2.0
//
// The way of an answer to the client: what faults change in it, and how its bytes go out.
#ifndef HUBFS_TESTS_HUB_DELIVERY_H_
#define HUBFS_TESTS_HUB_DELIVERY_H_

#include <vector>

#include "tests/hub/connection.h"
#include "tests/hub/message.h"
#include "tests/hub/request_log.h"

namespace hubfs::testing {

// All faults that act on a request as one; of two that set the same thing the later one counts.
Fault combine(const std::vector<Fault>& faults);

// What the fault does to head and framing. `base` is the origin of the request's own address.
void apply_fault(const Fault& fault, const HubRequest& request, const std::string& base, Answer& answer);

// Sends the answer. True when the connection may serve another request.
bool deliver(Connection& connection, const HubRequest& request, const Answer& answer, const Fault& fault,
             RequestLog& log, const RequestLog::Ticket& ticket);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_DELIVERY_H_
