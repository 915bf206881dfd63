// SPDX-License-Identifier: Apache-2.0
//
// The content of `.hubfs/status.json`: what a mount is doing, for people and for `hubfs status`. No token, no signed
// address is in it.
#pragma once

#include <string>

namespace hubfs {

struct FuseContext;

/// JSON text, ending in a newline.
std::string status_report(const FuseContext& context);

}  // namespace hubfs
